// fingerprint.cc - one line that says which base model a delta was trained on.
#include "formats/fingerprint.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "formats/sha256.h"

namespace plugtune::formats {

namespace {

// Tensors are hashed in pieces of this size, so that one large embedding keeps all threads busy. Part of the definition:
// another size gives other fingerprints.
constexpr size_t kPieceBytes = 4 << 20;

struct Piece {
  const char* data;
  size_t bytes;
};

}  // namespace

std::string fingerprint(const BertConfig& config, const NamedTensors& encoder) {
  std::vector<Tensor> plain;  // keeps the bytes alive
  std::vector<Piece> pieces;
  for (const auto& [name, tensor] : encoder) {
    plain.push_back(tensor.detach().to(torch::kCPU, torch::kFloat).contiguous());
    const char* data = static_cast<const char*>(plain.back().const_data_ptr());
    for (size_t at = 0; at < plain.back().nbytes(); at += kPieceBytes) {
      pieces.push_back({data + at, std::min(kPieceBytes, plain.back().nbytes() - at)});
    }
  }
  std::vector<Sha256::Digest> digests(pieces.size());
  at::parallel_for(0, static_cast<int64_t>(pieces.size()), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      digests[i] = Sha256::of(pieces[i].data, pieces[i].bytes);
  });

  // Every field ends with a newline or has a fixed length: no two models give the same bytes.
  Sha256 sha;
  sha.update(fmt::format("plugtune base 1\nact {}\nheads {}\neps {}\n", config.hidden_act, config.num_attention_heads,
                         config.layer_norm_eps));
  auto digest = digests.begin();
  auto tensor = plain.begin();
  for (const auto& [name, original] : encoder) {
    sha.update(fmt::format("{}\n{}\n", name, fmt::join(original.sizes(), " ")));
    for (size_t at = 0; at < tensor->nbytes(); at += kPieceBytes, ++digest)
      sha.update(digest->data(), digest->size());
    ++tensor;
  }
  return hex(sha.finish());
}

}  // namespace plugtune::formats
