// A strategy in a file that is named as a dataset.
#include "sound.h"
PLUGTUNE_STRATEGY(SoundStrategy, "wrong-kind", "1.0.0", "", 0)
