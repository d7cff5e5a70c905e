#pragma once
// layer_of.h - where in the encoder something is, by its name.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace plugtune::model {

/// The layer that a parameter or patch is in; -1 for the embeddings and patches of the whole encoder, `layers` for the head.
inline int64_t layer_of(const std::string& name, int64_t layers) {
  constexpr std::string_view kLayer = "encoder.layer.";
  if (name.starts_with(kLayer)) return std::atoll(name.c_str() + kLayer.size());
  return name.starts_with("embeddings.") || name.starts_with("encoder.") ? -1 : layers;
}

}  // namespace plugtune::model
