// Shows a function of its own to every other library.
#include "sound.h"
__attribute__((visibility("default"))) double learning_rate_of_layer(int layer) { return 0.9 * layer; }
PLUGTUNE_STRATEGY(SoundStrategy, "shows-symbols", "1.0.0", "", 0)
