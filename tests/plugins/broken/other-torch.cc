// Says that it was built with another libtorch.
#define PLUGTUNE_STAMP_TORCH "2.10.0"
#include "sound.h"
PLUGTUNE_STRATEGY(SoundStrategy, "other-torch", "1.0.0", "", 0)
