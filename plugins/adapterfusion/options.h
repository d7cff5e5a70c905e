#pragma once
// options.h - what a fusion layer is made of, as an experiment file says it.

#include <optional>

#include "plugtune/config.h"

namespace adapterfusion {

struct FusionOptions {
  bool query = true, key = true, value = true;  ///< which of W_q, W_k, W_v there are
  bool query_before_ln = false;                 ///< q is h, also where the adapters read LN(h + x)
  bool residual_before = false;                 ///< r is added to every u_i instead of to c
  bool temperature = false;
  bool value_initialized = true;  ///< W_v starts next to the identity
  double regularization = 0.01;   ///< of ||I - W_v||^2
  std::optional<double> dropout;  ///< of the scores; else the model's attention dropout
};

/// Notes problems in `config`.
FusionOptions read_options(const plugtune::ConfigView& config);

}  // namespace adapterfusion
