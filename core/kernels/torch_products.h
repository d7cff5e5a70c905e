#pragma once
// torch_products.h - torch's own products, made as fast as this folder's for what plugins write.

namespace plugtune::kernels {

/// From here on torch's mm and addmm of bf16 matrices (mixed_product.h) and its bmm with a measure of 1 (thin_product.h) are computed
/// by this folder in the whole process, on the CPU. Everything else of them is as it was. May be called again.
void take_over_torch_products();

}  // namespace plugtune::kernels
