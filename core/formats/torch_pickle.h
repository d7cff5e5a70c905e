#pragma once
// torch_pickle.h - tensors in files of torch.save: the zip format and the one before PyTorch 1.6. No code in a file runs.

#include <filesystem>

#include "formats/named_tensors.h"
#include "formats/output_file.h"

namespace plugtune::formats {

/// The tensors of a file that holds one dictionary (or OrderedDict) of tensors or parameters, as pytorch_model.bin does.
///
/// Shapes, strides and shared storages are as saved; the tensors lie in the mapped file, as those of SafetensorsFile do.
/// Throws Error on everything else, by name: code, other types, values that are no tensors, compressed or damaged archives.
NamedTensors read_torch_file(const std::filesystem::path& path);

/// Writes a plain dictionary of tensors that torch.load(path, weights_only=True) reads; equal tensors give equal bytes.
/// Element types: those of read_torch_file (float, half, bfloat16, double, the signed integers, uint8, bool).
/// @param zip64_from  see ZipWriter.
void write_torch_file(OutputFile& output, const NamedTensors& tensors, uint64_t zip64_from = 0xFFFFFFFF);

/// The same to a file of its own, atomically.
void write_torch_file(const std::filesystem::path& path, const NamedTensors& tensors);

}  // namespace plugtune::formats
