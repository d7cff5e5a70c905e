// Has a stamp and no descriptor.
#include "sound.h"
PLUGTUNE_STAMP
