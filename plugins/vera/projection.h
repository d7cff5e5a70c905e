#pragma once
// projection.h - the random matrices that all layers share and nothing trains.

#include <ATen/core/Generator.h>
#include <torch/types.h>

#include <algorithm>
#include <optional>

namespace plugtune::vera {

using torch::Tensor;

struct Projection {
  Tensor a;  ///< (r, the widest input)
  Tensor b;  ///< (the widest output, r)
};

/// Of a layer's measures so far and another layer's.
struct Widest {
  int64_t in = 0, out = 0;
  void include(int64_t in_features, int64_t out_features) {
    in = std::max(in, in_features);
    out = std::max(out, out_features);
  }
};

/// Uniform in +-sqrt(6 / fan_in), first A and then B: the numbers of peft's _kaiming_init of the same generator.
Projection draw_projection(int64_t rank, const Widest& widest, std::optional<at::Generator> generator = std::nullopt);

}  // namespace plugtune::vera
