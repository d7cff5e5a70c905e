// A global variable whose constructor takes its time.
#include <chrono>
#include <thread>

#include "sound.h"
static const bool slow = (std::this_thread::sleep_for(std::chrono::milliseconds(300)), true);
PLUGTUNE_STRATEGY(SoundStrategy, "slow-loading", "1.0.0", "", 0)
