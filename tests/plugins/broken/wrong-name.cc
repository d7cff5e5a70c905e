// Is not called as its file is.
#include "sound.h"
PLUGTUNE_STRATEGY(SoundStrategy, "right-name", "1.0.0", "", 0)
