// Its create function returns no strategy.
#include "sound.h"
static plugtune::Strategy* create_nothing(const ConfigView&) { return nullptr; }
PLUGTUNE_PLUGIN_("makes-nothing", "1.0.0", "", 0, &create_nothing, nullptr, nullptr)
