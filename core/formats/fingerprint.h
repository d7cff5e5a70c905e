#pragma once
// fingerprint.h - one line that says which base model a delta was trained on.

#include <string>

#include "formats/bert_config.h"
#include "formats/named_tensors.h"

namespace plugtune::formats {

/// SHA-256, 64 hexadecimal digits, over what the bare encoder computes: hidden_act, heads and layer_norm_eps of `config`, and
/// of every tensor its name, shape and fp32 numbers.
///
/// Two files of the same model give the same line, whatever container, prefix or (exactly representable) type they use. A
/// pooler that was missing and is a random one is not part of `encoder` as read_bert_weights returns it, so it does not count.
/// Of a tensor that lies in a file the pages are given back as they are read, so nobody may have written to it since it was loaded.
/// Uses all threads; about 1.8 GB/s on each where the processor has SHA instructions.
std::string fingerprint(const BertConfig& config, const NamedTensors& encoder);

}  // namespace plugtune::formats
