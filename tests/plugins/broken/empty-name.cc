// Has neither name nor version.
#include "sound.h"
PLUGTUNE_STRATEGY(SoundStrategy, "", "", "", 0)
