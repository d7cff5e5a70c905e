// embedding.cc - the sum of word, type and position vectors, LayerNorm and dropout as one span.
#include "kernels/embedding.h"

#include "kernels/composed.h"
#include "kernels/layer_norm_rows.h"

namespace plugtune::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

NormalizedRows embed(const Tensor& words, const Tensor& types, const Tensor& positions, const Tensor& type_table,
                     const Tensor& position_table, const Tensor& weight, const Tensor& bias, double eps,
                     const Dropout& dropout, bool keep) {
  const Tensor vectors = words.contiguous(), type_ids = types.contiguous(), position_ids = positions.contiguous();
  const Tensor type_rows = type_table.to(words.scalar_type()).contiguous();
  const Tensor position_rows = position_table.to(words.scalar_type()).contiguous();
  const Tensor weights = as_floats(weight), biases = as_floats(bias);
  const NormalizedRows rows = empty_rows(vectors, keep);
  const cpu::LayerNormParameters norm{elements<float>(weights), elements<float>(biases), static_cast<float>(eps),
                                      static_cast<size_t>(words.size(1))};
  with_elements_of(vectors, [&]<class T>(T) {
    const cpu::EmbeddingSum<T> sum{
        elements<T>(vectors),         elements<int64_t>(type_ids),       elements<int64_t>(position_ids),
        elements<T>(type_rows),       elements<T>(position_rows),        elements<T>(rows.out),
        elements<T>(rows.normalized), elements<float>(rows.inverse_std), mask_of(dropout)};
    for_each_chunk(words.size(0),
                   [&](int64_t, int64_t begin, int64_t end) { cpu::embedding_sum(norm, sum, begin, end); });
  });
  return rows;
}

/// Adds each row's gradient to the table row that it came from, in float.
Tensor table_gradient(const Tensor& grad_rows, const Tensor& ids, const Tensor& table) {
  return at::embedding_dense_backward(grad_rows.to(torch::kFloat), ids, table.size(0), /*padding_idx=*/-1,
                                      /*scale_grad_by_freq=*/false)
      .to(table.scalar_type());
}

struct EmbeddingFunction : torch::autograd::Function<EmbeddingFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& words, const Tensor& types, const Tensor& positions,
                        const Tensor& type_table, const Tensor& position_table, const Tensor& weight,
                        const Tensor& bias, double eps, const Dropout& dropout) {
    const NormalizedRows rows =
        embed(words, types, positions, type_table, position_table, weight, bias, eps, dropout, /*keep=*/true);
    ctx->save_for_backward({rows.normalized, rows.inverse_std, weight, types, positions, type_table, position_table});
    save_dropout(ctx, dropout);
    return rows.out;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const bool needs_words = ctx->needs_input_grad(0), needs_types = ctx->needs_input_grad(3);
    const bool needs_positions = ctx->needs_input_grad(4), needs_weight = ctx->needs_input_grad(5);
    const bool needs_bias = ctx->needs_input_grad(6);
    const LayerNormGradients found =
        layer_norm_backward(grads[0], saved[0], saved[1], saved[2], saved_dropout(ctx), /*mask_grad_out=*/true,
                            {.sum = needs_words || needs_types || needs_positions,
                             .masked = false,
                             .parameters = needs_weight || needs_bias});
    return {needs_words ? found.sum : Tensor(),
            Tensor(),
            Tensor(),
            needs_types ? table_gradient(found.sum, saved[3], saved[5]) : Tensor(),
            needs_positions ? table_gradient(found.sum, saved[4], saved[6]) : Tensor(),
            needs_weight ? found.weight : Tensor(),
            needs_bias ? found.bias : Tensor(),
            Tensor(),
            Tensor()};
  }
};

}  // namespace

Tensor embedding_layer_norm(const Tensor& words, const Tensor& types, const Tensor& positions, const Tensor& type_table,
                            const Tensor& position_table, const Tensor& weight, const Tensor& bias, double eps,
                            const Dropout& dropout) {
  TORCH_INTERNAL_ASSERT(words.dim() == 2 && types.numel() == words.size(0) && positions.numel() == words.size(0));
  TORCH_INTERNAL_ASSERT(types.scalar_type() == torch::kLong && positions.scalar_type() == torch::kLong);
  TORCH_INTERNAL_ASSERT(type_table.size(1) == words.size(1) && position_table.size(1) == words.size(1));
  if (!has_cpu_kernel(words)) {
    return composed::embedding_layer_norm(words, types, positions, type_table, position_table, weight, bias, eps,
                                          dropout);
  }
  if (!needs_graph(words, type_table, position_table, weight, bias)) {
    return embed(words, types, positions, type_table, position_table, weight, bias, eps, dropout, /*keep=*/false).out;
  }
  return EmbeddingFunction::apply(words, types, positions, type_table, position_table, weight, bias, eps, dropout);
}

}  // namespace plugtune::kernels
