// optimizer.cc - the gradient's norm and AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101), one pass each. Both are bound
// by memory: AdamW reads four numbers and writes three per parameter, where separate operations move eighteen.
#include "kernels/cpu/optimizer.h"

#include "kernels/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/optimizer.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace plugtune::kernels::cpu {
namespace HWY_NAMESPACE {

double SumOfSquares(const float* x, size_t n) {
  const hn::CappedTag<double, 8> dd;
  const hn::Rebind<float, decltype(dd)> df;
  const size_t lanes = hn::Lanes(dd);
  auto sum0 = hn::Zero(dd), sum1 = hn::Zero(dd);
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto low = hn::PromoteTo(dd, hn::LoadU(df, x + i)), high = hn::PromoteTo(dd, hn::LoadU(df, x + i + lanes));
    sum0 = hn::MulAdd(low, low, sum0);
    sum1 = hn::MulAdd(high, high, sum1);
  }
  double sum = hn::GetLane(hn::SumOfLanes(dd, hn::Add(sum0, sum1)));
  for (; i < n; ++i)
    sum += static_cast<double>(x[i]) * x[i];
  return sum;
}

void AdamWPass(const AdamW& step, float* params, const float* grads, float* exp_avg, float* exp_avg_sq, Bf16* bf16_copy,
               size_t n) {
  const F32 d;
  const auto decay = hn::Set(d, step.decay), grad_scale = hn::Set(d, step.grad_scale);
  const auto beta1 = hn::Set(d, step.beta1), keep1 = hn::Set(d, step.keep1);
  const auto beta2 = hn::Set(d, step.beta2), keep2 = hn::Set(d, step.keep2);
  const auto step_size = hn::Set(d, step.step_size), inverse_root = hn::Set(d, step.inverse_root),
             eps = hn::Set(d, step.eps);
  for_each_vector(n, [&](size_t i, auto part) HWY_ATTR {
    const auto g = hn::Mul(load(grads + i, part), grad_scale);
    const auto m = hn::MulAdd(load(exp_avg + i, part), beta1, hn::Mul(g, keep1));
    const auto v = hn::MulAdd(load(exp_avg_sq + i, part), beta2, hn::Mul(hn::Mul(g, g), keep2));
    const auto denominator = hn::MulAdd(hn::Sqrt(v), inverse_root, eps);
    const auto p = hn::NegMulAdd(step_size, hn::Div(m, denominator), hn::Mul(load(params + i, part), decay));
    store(m, exp_avg + i, part);
    store(v, exp_avg_sq + i, part);
    store(p, params + i, part);
    if (bf16_copy != nullptr) store(p, bf16_copy + i, part);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace plugtune::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plugtune::kernels::cpu {
HWY_EXPORT(SumOfSquares);
HWY_EXPORT(AdamWPass);

double sum_of_squares(const float* x, size_t n) {
  chosen_instruction_set();
  return HWY_DYNAMIC_DISPATCH(SumOfSquares)(x, n);
}
void adamw(const AdamW& step, float* params, const float* grads, float* exp_avg, float* exp_avg_sq, Bf16* bf16_copy,
           size_t n) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(AdamWPass)(step, params, grads, exp_avg, exp_avg_sq, bf16_copy, n);
}

}  // namespace plugtune::kernels::cpu
#endif
