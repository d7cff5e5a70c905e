// projection.cc - drawing the shared matrices.
#include "projection.h"

#include <cmath>

namespace plugtune::vera {

Projection draw_projection(int64_t rank, const Widest& widest, std::optional<at::Generator> generator) {
  const auto matrix = [&](int64_t rows, int64_t columns) {
    const double bound = std::sqrt(3.0) * (std::sqrt(2.0) / std::sqrt(static_cast<double>(columns)));
    return torch::empty({rows, columns}).uniform_(-bound, bound, generator);
  };
  const Tensor a = matrix(rank, widest.in);
  return {a, matrix(widest.out, rank)};
}

}  // namespace plugtune::vera
