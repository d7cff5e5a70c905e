#pragma once
// adapterhub.h - the directories of AdapterHub's library (adapters 1.3) and of its predecessor adapter-transformers 1-3.

#include <filesystem>

#include "exchange/foreign_files.h"
#include "formats/atomic_file.h"

namespace plugtune::exchange {

bool is_adapterhub(const std::filesystem::path& directory);
/// An adapter, a fusion with its members (in the same directory or beside it), a set-up, or a head alone.
ForeignFiles read_adapterhub(const std::filesystem::path& directory);
/// One adapter with its head; a fusion as a set-up with a directory for each member.
void write_adapterhub(formats::AtomicDirectory& directory, const ForeignFiles& files, bool safetensors);

}  // namespace plugtune::exchange
