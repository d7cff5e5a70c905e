// composed.cc - the spans out of ATen's operations.
#include "kernels/composed.h"

#include <torch/nn/functional.h>

#include <cmath>

#include "kernels/cpu/attention.h"

namespace plugtune::kernels::composed {
namespace {

/// To float if the type is narrower.
Tensor widen(const Tensor& x) { return x.to(at::promoteTypes(x.scalar_type(), torch::kFloat)); }

/// The multipliers of one head of one sequence, (Tq,Tk); laid out as cpu/attention.h says.
Tensor attention_multipliers(const Dropout& dropout, int64_t pair, int64_t queries, int64_t keys, const Tensor& like) {
  const int64_t stride = static_cast<int64_t>(cpu::attention_mask_stride(keys));
  return dropout_multipliers(dropout, 1, queries * stride, pair)
      .view({queries, stride})
      .narrow(1, 0, keys)
      .to(like.options());
}

/// x * multipliers in float, row = everything but the last dimension.
Tensor drop(const Tensor& x, const Dropout& dropout) {
  if (dropout.p == 0 || x.numel() == 0) return x;
  const int64_t columns = x.dim() == 0 ? 1 : x.size(-1);
  return x * dropout_multipliers(dropout, x.numel() / columns, columns).to(x.options()).view_as(x);
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Layout& queries, const Layout& keys,
                 const Dropout& dropout) {
  const int64_t heads = q.size(1);
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(2)));
  std::vector<Tensor> outputs;
  for (int64_t b = 0; b < queries.sequences(); ++b) {
    const auto rows_of = [b](const Tensor& rows, const Layout& layout) {
      return widen(rows.narrow(0, layout.offset(b), layout.length(b)).transpose(0, 1));  // (A, T, D)
    };
    const Tensor scores = rows_of(q, queries).matmul(rows_of(k, keys).transpose(1, 2)) * scale;  // (A, Tq, Tk)
    Tensor probabilities = scores.softmax(-1);
    if (dropout.p > 0) {
      std::vector<Tensor> multipliers;
      for (int64_t a = 0; a < heads; ++a) {
        multipliers.push_back(attention_multipliers(dropout, b * heads + a, queries.length(b), keys.length(b), scores));
      }
      probabilities = probabilities * torch::stack(multipliers);
    }
    outputs.push_back(probabilities.matmul(rows_of(v, keys)).transpose(0, 1).to(q.scalar_type()));  // (Tq, A, D)
  }
  return outputs.empty() ? torch::empty_like(q) : torch::cat(outputs);
}

Tensor dropout_residual_layer_norm(const Tensor& h, const Tensor& residual, const Tensor& weight, const Tensor& bias,
                                   double eps, const Dropout& dropout) {
  const Tensor sum = drop(widen(h), dropout) + residual;
  return torch::layer_norm(sum, {sum.size(-1)}, widen(weight), widen(bias), eps).to(h.scalar_type());
}

Tensor bias_gelu(const Tensor& x, const Tensor& bias) { return torch::gelu(widen(x) + bias).to(x.scalar_type()); }

Tensor gelu(const Tensor& x) { return torch::gelu(widen(x)).to(x.scalar_type()); }

Tensor embedding_layer_norm(const Tensor& words, const Tensor& types, const Tensor& positions, const Tensor& type_table,
                            const Tensor& position_table, const Tensor& weight, const Tensor& bias, double eps,
                            const Dropout& dropout) {
  const Tensor sum = widen(words) + torch::embedding(type_table, types) + torch::embedding(position_table, positions);
  const Tensor normalized = torch::layer_norm(sum, {sum.size(-1)}, widen(weight), widen(bias), eps);
  return drop(normalized, dropout).to(words.scalar_type());
}

Tensor dropout(const Tensor& x, const Dropout& dropout) { return drop(widen(x), dropout).to(x.scalar_type()); }

}  // namespace plugtune::kernels::composed
