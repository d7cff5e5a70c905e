// torch_products.cc - functions of this folder behind torch's names.
#include "kernels/torch_products.h"

#include <ATen/ops/addmm_cpu_dispatch.h>
#include <ATen/ops/bmm_cpu_dispatch.h>
#include <ATen/ops/mm_cpu_dispatch.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include "kernels/mixed_product.h"
#include "kernels/thin_product.h"

namespace plugtune::kernels {
namespace {

bool is_ours(const Tensor& a, const Tensor& b) {
  return has_mixed_product(a) && b.scalar_type() == torch::kBFloat16 && a.dim() == 2 && b.dim() == 2 &&
         a.size(1) == b.size(0) && a.numel() > 0 && b.numel() > 0;
}

Tensor mm(const Tensor& a, const Tensor& b) {
  if (!is_ours(a, b)) return at::cpu::mm(a, b);
  Tensor out = torch::empty({a.size(0), b.size(1)}, a.options());
  rounded_products(out, {{a, b}}, {});
  return out;
}

Tensor addmm(const Tensor& self, const Tensor& a, const Tensor& b, const at::Scalar& beta, const at::Scalar& alpha) {
  const bool fits = self.scalar_type() == torch::kBFloat16 && (self.dim() == 1 || self.dim() == 2) &&
                    self.size(-1) == b.size(-1) && (self.dim() == 1 || self.size(0) == a.size(0));
  if (!fits || !is_ours(a, b) || beta.toDouble() != 1) return at::cpu::addmm(self, a, b, beta, alpha);
  Tensor out = torch::empty({a.size(0), b.size(1)}, a.options());
  rounded_products(out, {{a, b}}, self, alpha.toDouble());
  return out;
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  Tensor out = thin_product(a, b);
  return out.defined() ? out : at::cpu::bmm(a, b);
}

/// torch tells when a function of its own is replaced; here that is meant.
struct Silent final : c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

}  // namespace

void take_over_torch_products() {
  static const torch::Library replaced = [] {
    Silent silent;
    const c10::WarningUtils::WarningHandlerGuard guard(&silent);
    torch::Library library(torch::Library::IMPL, "aten", c10::DispatchKey::CPU, __FILE__, __LINE__);
    library.impl("mm", TORCH_FN(mm));
    library.impl("addmm", TORCH_FN(addmm));
    library.impl("bmm", TORCH_FN(bmm));
    return library;
  }();
}

}  // namespace plugtune::kernels
