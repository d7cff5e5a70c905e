#pragma once
// merged.h - a patch that multiplies by the weight and its update together, against itself where it cannot.

#include "support/counters.h"
#include "support/strategy.h"

namespace plugtune::testing {

/// Something that a patch around it has to call.
class Inside final : public LinearPatch {
  Tensor forward(const Tensor& x, const LinearNext& next) override { return next(x); }
};

/// With these settings a patch multiplies once, by the weight and its update together, unless something is inside of it. Both
/// give the same logits and gradients.
inline void expect_merged_equals_called(const nlohmann::json& settings) {
  const Golden golden("full_classification");
  const auto called = tiny_model(), merged = tuned(settings);
  for (LinearSite* site : called->all_linear())
    site->attach("inside", std::make_shared<Inside>());
  make_strategy(settings)->apply(*called);
  called->eval();
  {
    const torch::NoGradGuard no_grad;
    for (const auto& [name, value] : merged->patch_parameters())
      Tensor(value).normal_(0, 0.1);
    for (const auto& list : {&model::Bert::patch_parameters, &model::Bert::patch_buffers}) {
      const auto from = ((*merged).*list)(), to = ((*called).*list)();
      ASSERT_EQ(from.size(), to.size());
      for (size_t i = 0; i < from.size(); ++i)
        Tensor(to[i].second).copy_(from[i].second);
    }
  }
  const auto products_of = [&](model::Bert& model, Tensor& logits) {
    const RecordedProducts recorded;
    logits = model.forward(golden.input("a"));
    return recorded.products.size();
  };
  Tensor once, apart;
  EXPECT_LT(products_of(*merged, once), products_of(*called, apart));
  EXPECT_TRUE(near(once, apart, 0, 1e-5));
  for (const Tensor& logits : {once, apart})
    model::task_loss(TaskKind::kClassification, logits, golden.at("a/labels"), 5).backward();
  const std::map<std::string, Tensor> expected = trainables(*called);
  for (const auto& [name, parameter] : trainables(*merged))
    EXPECT_TRUE(near(parameter.grad(), expected.at(name).grad(), 1e-6, 2e-5)) << name;
}

}  // namespace plugtune::testing
