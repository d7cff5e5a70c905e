// A global variable whose constructor throws: before any check can be made.
#include <stdexcept>

#include "sound.h"
static int read_table() { throw std::runtime_error("table.bin is missing"); }
static const int table = read_table();
PLUGTUNE_STRATEGY(SoundStrategy, "throws-loading", "1.0.0", "", 0)
