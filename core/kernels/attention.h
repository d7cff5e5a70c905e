#pragma once
// attention.h - softmax attention inside each sequence of packed rows.

#include <array>

#include "kernels/random.h"
#include "plugtune/layout.h"

namespace plugtune::kernels {

/// softmax(q k^T / sqrt(D)) v for each sequence and head, with dropout on the probabilities.
///
/// @param q  (Nq,A,D), rows in `queries`.  @param k, v  (Nk,A,D), rows in `keys`.  Any row stride: slices of one (N,3H)
///   product are read in place.  Both layouts have the same number of sequences; their lengths may differ (first rows
///   only: one query row per sequence; keys with a prefix).
/// @return (Nq,A,D), contiguous. Saves q, k, v and one number per row and head; probabilities are computed again in backward.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Layout& queries, const Layout& keys,
                 const Dropout& dropout);

/// The three parts of one product of queries, keys and values: (N,3H) -> q, k, v (N,A,D), views without a copy.
/// When their gradients come straight from `attention` they already lie in one (N,3H) tensor, which is handed on as it
/// is; slicing by ATen would cost three zeroed (N,3H) tensors and two sums instead.
std::array<Tensor, 3> split_qkv(const Tensor& qkv, int64_t heads);

}  // namespace plugtune::kernels
