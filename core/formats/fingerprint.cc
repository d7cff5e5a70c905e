// fingerprint.cc - one line that says which base model a delta was trained on.
#include "formats/fingerprint.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "formats/mapped_file.h"
#include "formats/sha256.h"

namespace plugtune::formats {

namespace {

// Tensors are hashed in pieces of this size, so that one large embedding keeps all threads busy. Part of the definition:
// another size gives other fingerprints.
constexpr int64_t kPieceNumbers = (4 << 20) / sizeof(float);

/// The fp32 numbers of a piece, whose pages are given back: of a large model the file is never in memory as a whole.
Sha256::Digest digest_of(const Tensor& piece) {
  const Tensor plain = piece.to(torch::kFloat);
  const Sha256::Digest digest = Sha256::of(plain.const_data_ptr(), plain.nbytes());
  MappedFile::give_back(piece);
  return digest;
}

}  // namespace

std::string fingerprint(const BertConfig& config, const NamedTensors& encoder) {
  std::vector<Tensor> pieces;
  for (const auto& [name, tensor] : encoder) {
    const Tensor flat = tensor.detach().to(torch::kCPU).contiguous().view({-1});
    for (int64_t at = 0; at < flat.numel(); at += kPieceNumbers)
      pieces.push_back(flat.narrow(0, at, std::min(kPieceNumbers, flat.numel() - at)));
  }
  std::vector<Sha256::Digest> digests(pieces.size());
  at::parallel_for(0, static_cast<int64_t>(pieces.size()), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      digests[i] = digest_of(pieces[i]);
  });

  // Every field ends with a newline or has a fixed length: no two models give the same bytes.
  Sha256 sha;
  sha.update(fmt::format("plugtune base 1\nact {}\nheads {}\neps {}\n", config.hidden_act, config.num_attention_heads,
                         config.layer_norm_eps));
  auto digest = digests.begin();
  for (const auto& [name, tensor] : encoder) {
    sha.update(fmt::format("{}\n{}\n", name, fmt::join(tensor.sizes(), " ")));
    for (int64_t at = 0; at < tensor.numel(); at += kPieceNumbers, ++digest)
      sha.update(digest->data(), digest->size());
  }
  return hex(sha.finish());
}

}  // namespace plugtune::formats
