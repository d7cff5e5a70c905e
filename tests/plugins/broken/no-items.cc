// A descriptor that brings nothing.
#include "sound.h"
PLUGTUNE_STAMP
extern "C" __attribute__((visibility("default"), used)) constinit const plugtune_plugin_v1 plugtune_plugin = {
    sizeof(plugtune_plugin_v1), "no-items", "1.0.0", 0, nullptr};
