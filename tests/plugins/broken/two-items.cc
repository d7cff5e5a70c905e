// Brings two strategies of one name, the second of which cannot be made.
#include "sound.h"
static plugtune::Strategy* create(const ConfigView& settings) { return new SoundStrategy(settings); }
PLUGTUNE_STAMP
static constinit const plugtune_item_v1 items[] = {
    {sizeof(plugtune_item_v1), 0, "two-items", "first", &create, nullptr, nullptr},
    {sizeof(plugtune_item_v1), 0, "two-items", "second", nullptr, nullptr, nullptr},
};
extern "C" __attribute__((visibility("default"), used)) constinit const plugtune_plugin_v1 plugtune_plugin = {
    sizeof(plugtune_plugin_v1), "two-items", "1.0.0", 2, items};
