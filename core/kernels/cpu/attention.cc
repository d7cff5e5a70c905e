// attention.cc - softmax attention with dropout inside, forward and backward, for sentences of tens of tokens.
//
//   S = q k^T / sqrt(D),  P = softmax(S),  O = (P * M) v          M = dropout's multipliers
//   dv = (P * M)^T dO,  dP = M * (dO v^T),  dS = P * (dP - rowsum(P * dP)) / sqrt(D),  dq = dS k,  dk = dS^T q
//
// One (sequence, head) pair is computed by one thread, its rows copied to scratch memory first: rows of a 25-token sentence
// lie kilobytes apart and would fight for a few sets of L1, together they are 6 KB. Keys (in backward also values) are
// transposed on the way, so that every product runs over whole vectors (product-inl.h). A block of query rows sees all its
// keys at once, so softmax needs no running maximum. Backward computes S again, and P from the log-sum-exp that forward
// kept: one float per row and head instead of the T^2 of probabilities and masks that unfused attention keeps.
// Measured by tests/bench/kernels: the products run at matrix speed and are half of the time, copies most of the rest.
#include "kernels/cpu/attention.h"

#include "kernels/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "kernels/cpu/math-inl.h"
#include "kernels/cpu/philox-inl.h"
#include "kernels/cpu/product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace plugtune::kernels::cpu {
namespace HWY_NAMESPACE {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

/// One (sequence, head) pair.
struct Pair {
  size_t sequence, head;
  size_t query_begin, queries, key_begin, keys;
  size_t head_size;
  uint64_t stream;

  template <class T>
  Pair(const Attention<T>& in, size_t sequence, size_t head)
      : sequence(sequence),
        head(head),
        query_begin(in.query_offsets[sequence]),
        queries(in.query_offsets[sequence + 1] - query_begin),
        key_begin(in.key_offsets[sequence]),
        keys(in.key_offsets[sequence + 1] - key_begin),
        head_size(in.head_size),
        stream(sequence * in.heads + head) {}

  size_t padded_head_size() const { return round_up(head_size, kMaskPadding); }
  size_t padded_keys() const { return attention_mask_stride(keys); }
  /// An odd number of cache lines, so that a column of scores or transposed keys is spread over all sets of L1.
  size_t score_stride() const { return (padded_keys() / 16 | 1) * 16; }
  /// Query rows handled at once: scores of about 32 KB. A multiple of 8, so that every block's mask starts a group.
  size_t block_rows() const {
    const size_t fitting = 8192 / padded_keys() / 8 * 8;
    return std::min(std::max<size_t>(fitting, 16), size_t{64});
  }
};

/// Memory of one thread, handed out anew for each pair.
class Scratch {
 public:
  /// Starts a pair that takes up to `size` floats.
  void start(size_t size) {
    if (size > capacity_) {
      memory_ = hwy::AllocateAligned<float>(size);
      capacity_ = size;
    }
    next_ = memory_.get();
  }
  Rows take(size_t rows, size_t stride) {
    const Rows taken{next_, stride};
    next_ += rows * stride;
    return taken;
  }

 private:
  hwy::AlignedFreeUniquePtr<float[]> memory_;
  size_t capacity_ = 0;
  float* next_ = nullptr;
};

/// Rows [begin, begin + count) of a head, between packed memory and scratch.
template <class T>
HWY_INLINE void copy_in(const HeadRows<const T>& from, const Pair& pair, size_t begin, size_t count, const Rows& to) {
  for (size_t r = 0; r < count; ++r) {
    const T* const source = from.data + (begin + r) * from.stride + pair.head * pair.head_size;
    float* const target = to.data + r * to.stride;
    for_each_vector(pair.head_size,
                    [&](size_t i, auto part) HWY_ATTR { store(load(source + i, part), target + i, Whole()); });
  }
}
template <class T>
HWY_INLINE void copy_out(const Rows& from, const Pair& pair, size_t begin, size_t count, const HeadRows<T>& to) {
  for (size_t r = 0; r < count; ++r) {
    const float* const source = from.data + r * from.stride;
    T* const target = to.data + (begin + r) * to.stride + pair.head * pair.head_size;
    for_each_vector(pair.head_size,
                    [&](size_t i, auto part) HWY_ATTR { store(load(source + i, Whole()), target + i, part); });
  }
}

/// Scores (in place) -> probabilities times multipliers (null = 1). Returns the log-sum-exp of the scaled scores.
HWY_INLINE float softmax_row(float* scores, size_t keys, float scale, const float* multipliers) {
  const F32 d;
  auto maxima = hn::Set(d, kMinusInfinity);
  for_each_vector(keys, [&](size_t j, auto part) HWY_ATTR {
    maxima = hn::Max(maxima, keep(load(scores + j, Whole()), part, kMinusInfinity));
  });
  const float highest = hn::GetLane(hn::MaxOfLanes(d, maxima)) * scale;

  const auto scales = hn::Set(d, scale), shift = hn::Set(d, highest);
  auto sums = hn::Zero(d);
  for_each_vector(keys, [&](size_t j, auto part) HWY_ATTR {
    const auto p = keep(exponential(hn::MulSub(load(scores + j, Whole()), scales, shift)), part, 0);
    sums = hn::Add(sums, p);
    store(p, scores + j, Whole());
  });
  const float sum = hn::GetLane(hn::SumOfLanes(d, sums));

  const auto inverse = hn::Set(d, 1 / sum);
  for_each_vector(keys, [&](size_t j, auto) HWY_ATTR {
    auto p = hn::Mul(load(scores + j, Whole()), inverse);
    if (multipliers != nullptr) p = hn::Mul(p, load(multipliers + j, Whole()));
    store(p, scores + j, Whole());
  });
  return highest + std::log(sum);
}

template <class T>
HWY_INLINE void attend(const Attention<T>& in, const Pair& pair, const HeadRows<T>& out, float* log_sum_exp,
                       Scratch& scratch) {
  const size_t width = pair.padded_head_size(), stride = pair.score_stride(), mask_stride = pair.padded_keys();
  const size_t block = pair.block_rows(), keys = pair.keys, head_size = pair.head_size;
  scratch.start(2 * (mask_stride + block) * width + (width + block) * stride + block * mask_stride);
  const Rows k = scratch.take(mask_stride, width), v = scratch.take(mask_stride, width);
  const Rows keys_transposed = scratch.take(width, stride);
  const Rows q = scratch.take(block, width), o = scratch.take(block, width);
  const Rows scores = scratch.take(block, stride), multipliers = scratch.take(block, mask_stride);
  const float scale = 1 / std::sqrt(static_cast<float>(head_size));

  copy_in(in.k, pair, pair.key_begin, keys, k);
  copy_in(in.v, pair, pair.key_begin, keys, v);
  transpose(k, keys, head_size, keys_transposed);
  for (size_t first = 0; first < pair.queries; first += block) {
    const size_t rows = std::min(block, pair.queries - first), begin = pair.query_begin + first;
    copy_in(in.q, pair, begin, rows, q);
    product<false>(rows, keys, head_size, as_is(q), keys_transposed, scores);
    if (in.mask.on()) fill_mask(in.mask, pair.stream, first * mask_stride, rows * mask_stride, multipliers.data);
    for (size_t i = 0; i < rows; ++i) {
      log_sum_exp[(begin + i) * in.heads + pair.head] = softmax_row(
          scores.data + i * stride, keys, scale, in.mask.on() ? multipliers.data + i * mask_stride : nullptr);
    }
    product<false>(rows, head_size, keys, as_is(scores), v, o);
    copy_out(o, pair, begin, rows, out);
  }
}

/// A row of scores and of dO v^T (both in place) -> masked probabilities, and the gradient of the unscaled scores.
HWY_INLINE void softmax_gradient_row(float* scores, float* grads, size_t keys, float scale, float log_sum_exp,
                                     const float* multipliers) {
  const F32 d;
  const auto scales = hn::Set(d, scale), shift = hn::Set(d, log_sum_exp);
  auto sums = hn::Zero(d);
  for_each_vector(keys, [&](size_t j, auto part) HWY_ATTR {
    const auto p = keep(exponential(hn::MulSub(load(scores + j, Whole()), scales, shift)), part, 0);
    auto grad = keep(load(grads + j, Whole()), part, 0);
    if (multipliers != nullptr) grad = hn::Mul(grad, load(multipliers + j, Whole()));
    sums = hn::MulAdd(p, grad, sums);
    store(p, scores + j, Whole());
    store(grad, grads + j, Whole());
  });
  const auto weighted = hn::Set(d, hn::GetLane(hn::SumOfLanes(d, sums)));
  for_each_vector(keys, [&](size_t j, auto) HWY_ATTR {
    auto p = load(scores + j, Whole());
    store(hn::Mul(hn::Mul(p, scales), hn::Sub(load(grads + j, Whole()), weighted)), grads + j, Whole());
    if (multipliers != nullptr) p = hn::Mul(p, load(multipliers + j, Whole()));
    store(p, scores + j, Whole());
  });
}

/// c = or += left right: the gradients of keys and values are sums over the blocks of queries.
HWY_INLINE void add_product(bool is_first, size_t rows, size_t columns, size_t depth, Left left, Rows right, Rows c) {
  if (is_first) {
    product<false>(rows, columns, depth, left, right, c);
  } else {
    product<true>(rows, columns, depth, left, right, c);
  }
}

template <class T>
HWY_INLINE void attend_backward(const Attention<T>& in, const Pair& pair, const AttentionGradient<T>& gradient,
                                Scratch& scratch) {
  const size_t width = pair.padded_head_size(), stride = pair.score_stride(), mask_stride = pair.padded_keys();
  const size_t block = pair.block_rows(), keys = pair.keys, head_size = pair.head_size;
  scratch.start((4 * mask_stride + 3 * block) * width + 2 * (width + block) * stride + block * mask_stride);
  const Rows k = scratch.take(mask_stride, width), v = scratch.take(mask_stride, width);
  const Rows grad_k = scratch.take(mask_stride, width), grad_v = scratch.take(mask_stride, width);
  const Rows keys_transposed = scratch.take(width, stride), values_transposed = scratch.take(width, stride);
  const Rows q = scratch.take(block, width), grad_q = scratch.take(block, width), grad_out = scratch.take(block, width);
  const Rows scores = scratch.take(block, stride), grads = scratch.take(block, stride);
  const Rows multipliers = scratch.take(block, mask_stride);
  const float scale = 1 / std::sqrt(static_cast<float>(head_size));

  copy_in(in.k, pair, pair.key_begin, keys, k);
  copy_in(in.v, pair, pair.key_begin, keys, v);
  transpose(k, keys, head_size, keys_transposed);
  transpose(v, keys, head_size, values_transposed);
  for (size_t first = 0; first < pair.queries; first += block) {
    const size_t rows = std::min(block, pair.queries - first), begin = pair.query_begin + first;
    copy_in(in.q, pair, begin, rows, q);
    copy_in(gradient.out, pair, begin, rows, grad_out);
    product<false>(rows, keys, head_size, as_is(q), keys_transposed, scores);
    product<false>(rows, keys, head_size, as_is(grad_out), values_transposed, grads);
    if (in.mask.on()) fill_mask(in.mask, pair.stream, first * mask_stride, rows * mask_stride, multipliers.data);
    for (size_t i = 0; i < rows; ++i) {
      softmax_gradient_row(scores.data + i * stride, grads.data + i * stride, keys, scale,
                           gradient.log_sum_exp[(begin + i) * in.heads + pair.head],
                           in.mask.on() ? multipliers.data + i * mask_stride : nullptr);
    }
    const bool is_first = first == 0;
    if (gradient.v.data != nullptr) add_product(is_first, keys, head_size, rows, transposed(scores), grad_out, grad_v);
    if (gradient.k.data != nullptr) add_product(is_first, keys, head_size, rows, transposed(grads), q, grad_k);
    if (gradient.q.data != nullptr) {
      product<false>(rows, head_size, keys, as_is(grads), k, grad_q);
      copy_out(grad_q, pair, begin, rows, gradient.q);
    }
  }
  if (gradient.k.data != nullptr) copy_out(grad_k, pair, pair.key_begin, keys, gradient.k);
  if (gradient.v.data != nullptr) copy_out(grad_v, pair, pair.key_begin, keys, gradient.v);
}

template <class T, class Compute>
HWY_INLINE void for_each_pair(const Attention<T>& in, PairQueue& queue, const Compute& compute) {
  Scratch scratch;
  for (size_t i = queue.next++; i < queue.pairs; i = queue.next++) {
    compute(Pair(in, queue.order[i / in.heads], i % in.heads), scratch);
  }
}

template <class T>
HWY_INLINE void forward(const Attention<T>& in, const HeadRows<T>& out, float* log_sum_exp, PairQueue& queue) {
  for_each_pair(in, queue,
                [&](const Pair& pair, Scratch& scratch) HWY_ATTR { attend(in, pair, out, log_sum_exp, scratch); });
}
void AttentionFloat(const Attention<float>& in, HeadRows<float> out, float* log_sum_exp, PairQueue& queue) {
  forward(in, out, log_sum_exp, queue);
}
void AttentionBf16(const Attention<Bf16>& in, HeadRows<Bf16> out, float* log_sum_exp, PairQueue& queue) {
  forward(in, out, log_sum_exp, queue);
}

template <class T>
HWY_INLINE void backward(const Attention<T>& in, const AttentionGradient<T>& gradient, PairQueue& queue) {
  for_each_pair(in, queue,
                [&](const Pair& pair, Scratch& scratch) HWY_ATTR { attend_backward(in, pair, gradient, scratch); });
}
void GradientFloat(const Attention<float>& in, const AttentionGradient<float>& gradient, PairQueue& queue) {
  backward(in, gradient, queue);
}
void GradientBf16(const Attention<Bf16>& in, const AttentionGradient<Bf16>& gradient, PairQueue& queue) {
  backward(in, gradient, queue);
}

}  // namespace HWY_NAMESPACE
}  // namespace plugtune::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plugtune::kernels::cpu {
HWY_EXPORT(AttentionFloat);
HWY_EXPORT(AttentionBf16);
HWY_EXPORT(GradientFloat);
HWY_EXPORT(GradientBf16);

void attention(const Attention<float>& in, HeadRows<float> out, float* log_sum_exp, PairQueue& queue) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(AttentionFloat)(in, out, log_sum_exp, queue);
}
void attention(const Attention<Bf16>& in, HeadRows<Bf16> out, float* log_sum_exp, PairQueue& queue) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(AttentionBf16)(in, out, log_sum_exp, queue);
}
void attention_gradient(const Attention<float>& in, const AttentionGradient<float>& gradient, PairQueue& queue) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(GradientFloat)(in, gradient, queue);
}
void attention_gradient(const Attention<Bf16>& in, const AttentionGradient<Bf16>& gradient, PairQueue& queue) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(GradientBf16)(in, gradient, queue);
}

}  // namespace plugtune::kernels::cpu
#endif
