// Without a fault: the other plugins of this folder differ from it in one thing each, and file faults are made from its binary.
#include "sound.h"
PLUGTUNE_STRATEGY(SoundStrategy, "sound", "1.0.0", "a learned factor per output", 0)
