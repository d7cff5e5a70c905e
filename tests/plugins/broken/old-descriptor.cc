// Its descriptor ends before the fields that the host reads.
#include "sound.h"
PLUGTUNE_STAMP
extern "C" __attribute__((visibility("default"), used)) constinit const plugtune_plugin_v1 plugtune_plugin = {
    8, "old-descriptor", "1.0.0", 0, nullptr};
