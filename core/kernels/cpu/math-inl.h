// math-inl.h - the functions that kernels need of a vector. Per instruction set.
#if defined(PLUGTUNE_KERNELS_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PLUGTUNE_KERNELS_MATH_INL_H_
#undef PLUGTUNE_KERNELS_MATH_INL_H_
#else
#define PLUGTUNE_KERNELS_MATH_INL_H_
#endif

#include "kernels/cpu/elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace plugtune::kernels::cpu {
namespace HWY_NAMESPACE {

/// e^x, x <= 88, to about 1 unit in the last place; 0 below -87.3. As in Cephes: x = n ln 2 + r, a polynomial of degree 7
/// in r with |r| <= ln 2 / 2, and n added to the exponent.
HWY_INLINE Vector exponential(Vector x) {
  const F32 d;
  const hn::RebindToSigned<F32> di;
  const auto lowest = hn::Set(d, -87.33654f);
  const auto n = hn::Round(hn::Mul(hn::Max(x, lowest), hn::Set(d, 1.44269504f)));
  // ln 2 in two parts: n times the first is exact. From x, not from its maximum with `lowest`, so that a NaN stays one.
  const auto r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x));
  auto p = hn::Set(d, 1.9875691500e-4f);
  p = hn::MulAdd(p, r, hn::Set(d, 1.3981999507e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 8.3334519073e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1665795894e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666665459e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.0000001201e-1f));
  p = hn::MulAdd(p, hn::Mul(r, r), hn::Add(r, hn::Set(d, 1.0f)));
  const auto power = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127)));
  return hn::IfThenZeroElse(hn::Lt(x, lowest), hn::Mul(p, hn::BitCast(d, power)));
}

/// The normal distribution at x and its density.
struct Normal {
  Vector distribution, density;
};

/// Phi(-|x|) = e^(-x^2/2) t P(t) with t = 1 / (1 + 0.35 |x|), relative error below 4e-8 before rounding
/// (fit_normal_tail.py). The tail comes out relatively exact, and one exponential serves Phi and its density.
HWY_INLINE Normal normal(Vector x) {
  const F32 d;
  const auto bell = exponential(hn::Mul(hn::Mul(x, x), hn::Set(d, -0.5f)));
  const auto one = hn::Set(d, 1.0f);
  const auto t = hn::Div(one, hn::MulAdd(hn::Abs(x), hn::Set(d, 0.35f), one));
  auto p = hn::Set(d, -2.914565544e-02f);
  p = hn::MulAdd(p, t, hn::Set(d, 1.439704959e-01f));
  p = hn::MulAdd(p, t, hn::Set(d, -2.557120449e-01f));
  p = hn::MulAdd(p, t, hn::Set(d, 1.591719405e-01f));
  p = hn::MulAdd(p, t, hn::Set(d, -2.310850894e-02f));
  p = hn::MulAdd(p, t, hn::Set(d, 1.055075245e-01f));
  p = hn::MulAdd(p, t, hn::Set(d, 1.198329695e-01f));
  p = hn::MulAdd(p, t, hn::Set(d, 1.398618582e-01f));
  p = hn::MulAdd(p, t, hn::Set(d, 1.396214048e-01f));
  const auto tail = hn::Mul(bell, hn::Mul(t, p));
  const auto negative = hn::Lt(x, hn::Zero(d));
  return {hn::IfThenElse(negative, tail, hn::Sub(one, tail)), hn::Mul(bell, hn::Set(d, 0.3989422804f))};
}

}  // namespace HWY_NAMESPACE
}  // namespace plugtune::kernels::cpu
HWY_AFTER_NAMESPACE();
#endif
