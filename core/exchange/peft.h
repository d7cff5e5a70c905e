#pragma once
// peft.h - the directories of peft's save_pretrained: adapter_config.json beside adapter_model.safetensors or .bin.

#include <filesystem>

#include "exchange/foreign_files.h"
#include "formats/atomic_file.h"

namespace plugtune::exchange {

bool is_peft(const std::filesystem::path& directory);
ForeignFiles read_peft(const std::filesystem::path& directory);
void write_peft(formats::AtomicDirectory& directory, const ForeignFiles& files);

}  // namespace plugtune::exchange
