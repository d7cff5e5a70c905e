#pragma once
// embedding.h - from word vectors to the encoder's first rows.

#include "kernels/random.h"
#include "plugtune/layout.h"

namespace plugtune::kernels {

/// dropout(LayerNorm(words + type_table[types] + position_table[positions])).
///
/// @param words  (N,H).  @param types, positions  (N) int64, rows of the tables (.,H).  @param weight, bias  (H).
/// @return (N,H). Saves the normalised rows and one number per row. Gradients are computed only where they are needed.
Tensor embedding_layer_norm(const Tensor& words, const Tensor& types, const Tensor& positions, const Tensor& type_table,
                            const Tensor& position_table, const Tensor& weight, const Tensor& bias, double eps,
                            const Dropout& dropout);

}  // namespace plugtune::kernels
