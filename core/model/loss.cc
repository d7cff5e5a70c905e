// loss.cc - cross-entropy, binary cross-entropy and squared error over packed batches.
#include "model/loss.h"

#include <ATen/record_function.h>
#include <torch/nn/functional.h>

#include <algorithm>
#include <stdexcept>

namespace plugtune::model {

Tensor task_loss(TaskKind kind, const Tensor& logits, const Tensor& targets, int64_t examples) {
  namespace F = torch::nn::functional;
  RECORD_USER_SCOPE("loss");
  const Tensor values = logits.to(torch::promote_types(logits.scalar_type(), torch::kFloat32));
  const double share = 1.0 / static_cast<double>(std::max<int64_t>(examples, 1));  // a step may have nothing to guess
  switch (kind) {
    case TaskKind::kClassification:
    case TaskKind::kText:
      return F::cross_entropy(values, targets, F::CrossEntropyFuncOptions().reduction(torch::kSum)) * share;
    case TaskKind::kMultiLabel:
      return F::binary_cross_entropy_with_logits(values, targets.to(values.scalar_type()),
                                                 F::BinaryCrossEntropyWithLogitsFuncOptions().reduction(torch::kSum)) *
             (share / static_cast<double>(values.size(1)));
    case TaskKind::kRegression:
      return F::mse_loss(values.squeeze(1), targets.to(values.scalar_type()),
                         F::MSELossFuncOptions().reduction(torch::kSum)) *
             share;
  }
  throw std::logic_error("task_loss: unknown task");
}

}  // namespace plugtune::model
