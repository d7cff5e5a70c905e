#pragma once
// attention.h - attention of one sequence and head at a time, many of them shared among threads.

#include <atomic>

#include "kernels/cpu/elements.h"

namespace plugtune::kernels::cpu {

/// Packed rows of A heads of D elements each; row r starts at data + r * stride.
template <class T>
struct HeadRows {
  T* data;
  size_t stride;
};

/// What forward and backward read. Sequence b owns rows [offsets[b], offsets[b + 1]).
template <class T>
struct Attention {
  HeadRows<const T> q, k, v;
  const int32_t* query_offsets;  ///< (B + 1), rows of q and of the output
  const int32_t* key_offsets;    ///< (B + 1), rows of k and v
  size_t heads, head_size;       ///< A, D
  Mask mask;                     ///< stream b * A + a for sequence b and head a
};

/// The pairs of a sequence and a head that wait for a thread: each thread takes the next one. Results do not depend on
/// who computes a pair.
struct PairQueue {
  const int32_t* order;  ///< (B) sequences, the longest first: the thread that ends last then waits least
  size_t pairs;          ///< B * A
  std::atomic<size_t> next{0};
};

/// Computes pairs until none are left.
/// @param out  (Nq,A,D).  @param log_sum_exp  (Nq,A), of the scaled scores, for backward.
void attention(const Attention<float>& in, HeadRows<float> out, float* log_sum_exp, PairQueue& queue);
void attention(const Attention<Bf16>& in, HeadRows<Bf16> out, float* log_sum_exp, PairQueue& queue);

/// The gradients to compute; data null = not needed.
template <class T>
struct AttentionGradient {
  HeadRows<const T> out;
  const float* log_sum_exp;
  HeadRows<T> q, k, v;
};
void attention_gradient(const Attention<float>& in, const AttentionGradient<float>& gradient, PairQueue& queue);
void attention_gradient(const Attention<Bf16>& in, const AttentionGradient<Bf16>& gradient, PairQueue& queue);

/// Numbers of one (sequence, head) pair's scores are masked as elements i * attention_mask_stride(Tk) + j of its stream.
constexpr size_t attention_mask_stride(size_t keys) { return round_up(keys, kMaskPadding); }

}  // namespace plugtune::kernels::cpu
