#pragma once
// span_cost.h - what a named span of a training step needs at least: arithmetic, and bytes to and from memory.

#include <functional>
#include <string>

#include "model/bert.h"

namespace plugtune::model {

/// Matrix products with the weights of one site or one patch, in floating-point operations (a multiply-add is two) of one row.
struct RowProducts {
  double forward = 0;           ///< as many again for the gradient of the input
  double weight_gradients = 0;  ///< of the weights that train
};

/// Calls visit(path, products) for each site that has a weight matrix, by its path, and each patch, by `<site path>.<patch>`. A patch's
/// matrices are its two-dimensional parameters; each row is multiplied by every one of them. Tables that are looked up are not counted:
/// nothing in front of the encoder is.
void for_each_product(const Bert& model, const std::function<void(const std::string&, const RowProducts&)>& visit);

/// What a span was given in the forward pass, over all of its calls.
struct SpanWork {
  int64_t calls = 0;
  int64_t rows = 0;           ///< of its first input
  int64_t gradient_rows = 0;  ///< those of calls that must give the gradient of an input
  int64_t pairs = 0;          ///< of a query and a key in the same sequence; attention alone
  int64_t gradient_pairs = 0;
};

/// What a pass needs at least. Bytes are those of the rows that go in and come out and of the weights, each once.
struct Cost {
  double flop = 0;
  double bytes = 0;
};

struct SpanCost {
  Cost forward, backward;
};

/// The cost of a span by the name under which the model records it (at::RecordFunction): a site's path; `<site path>.<patch>`;
/// `<path>.{query,key,value}` of neighbours that are computed as one; `<path>.activation`; those below. Zero where nothing is known.
/// @param element_size  bytes of an activation
SpanCost span_cost(const Bert& model, const std::string& name, const SpanWork& work, int64_t element_size);

// What the optimizer does; each number that trains is a row.
inline constexpr const char* kNormSpan = "optimizer.norm";  ///< of the gradients, for clipping
inline constexpr const char* kUpdateSpan = "optimizer.step";
inline constexpr const char* kZeroSpan = "optimizer.zero_grad";

}  // namespace plugtune::model
