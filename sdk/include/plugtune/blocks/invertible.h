#pragma once
// invertible.h - NICE coupling: a layer behind the embeddings whose inverse runs in front of a masked-LM decoder.
//
// Dinh 2015, arXiv:1410.8516; as the invertible adapter of MAD-X, Pfeiffer 2020, arXiv:2005.00052. Numbers and initialisation
// as in AdapterHub's library 1.3.0, methods/modeling.py (NICECouplingBlock) and methods/invertible.py.

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugtune/export.h"
#include "plugtune/model.h"

namespace plugtune {
inline namespace v1 {

/// How a NiceCoupling is built.
struct PLUGTUNE_API NiceOptions {
  int64_t hidden_size = 0;          ///< H, at least 2
  double reduction_factor = 2;      ///< above 0, at most H / 2; widths are floor(half / reduction_factor)
  std::string activation = "relu";  ///< one of activation_names()

  /// x is cut into x1 and x2; the first half is the smaller one where H is odd.
  int64_t first_half() const { return hidden_size / 2; }
  /// H - H / 2.
  int64_t second_half() const { return hidden_size - hidden_size / 2; }
  int64_t width_f() const;  ///< F reads the second half
  int64_t width_g() const;  ///< G reads the first half
};

/// F and G are each Linear, act, Linear:   y1 = x1 + F(x2),  y2 = x2 + G(y1);   back:  x2 = y2 - G(y1),  x1 = y1 - F(x2)
class PLUGTUNE_API NiceCoupling : public torch::nn::Module {
 public:
  /// Makes and initialises the parameters, drawing from torch's generator. Throws Error for an activation of no such name.
  explicit NiceCoupling(const NiceOptions& options);
  ~NiceCoupling() override;
  /// Weights N(0, 0.02), biases 0: not the identity at the start.
  void reset_parameters();
  Tensor forward(const Tensor& x) const;  ///< (N, H) -> (N, H)
  Tensor inverse(const Tensor& y) const;  ///< (N, H) -> (N, H)

  /// (width_f, H - H / 2).
  Tensor f_down_weight, f_down_bias;  ///< (width_f)
  /// (H / 2, width_f).
  Tensor f_up_weight, f_up_bias;  ///< (H / 2)
  /// (width_g, H / 2).
  Tensor g_down_weight, g_down_bias;  ///< (width_g)
  /// (H - H / 2, width_g).
  Tensor g_up_weight, g_up_bias;  ///< (H - H / 2)

 private:
  Tensor f(const Tensor& x2) const;
  Tensor g(const Tensor& y1) const;

  NiceOptions options_;
  std::function<Tensor(const Tensor&)> activation_;
};

/// Couplings by the names of their modules: delta keys are `encoder.<patch>.<name>.f_down_weight`, ...
using NamedCouplings = std::vector<std::pair<std::string, std::shared_ptr<NiceCoupling>>>;

/// Attaches a patch to the encoder that owns `couplings`, and runs `working` on the embeddings; where the model has a masked-LM
/// head, its inverse runs in front of the decoder. The others are kept and do nothing, as a Stack of the library keeps all but
/// the first adapter's; they do not train. `working` is one of them, or null.
PLUGTUNE_API void attach_invertible(Model& model, const std::string& patch, const NamedCouplings& couplings,
                                    const std::shared_ptr<NiceCoupling>& working);

}  // namespace v1
}  // namespace plugtune
