// adapter_stage.cc - bottleneck adapters one above another at a junction.
#include "plugtune/blocks/adapter_stage.h"

#include <algorithm>

namespace plugtune {
inline namespace v1 {

AdapterStage::AdapterStage() = default;
AdapterStage::~AdapterStage() = default;

void AdapterStage::attach(JunctionSite& site, const std::string& name, const std::shared_ptr<AdapterStage>& stage) {
  site.attach(name, stage);
  for (const auto& [other, patch] : site.patches()) {
    const auto below = std::dynamic_pointer_cast<AdapterStage>(patch);
    if (below == nullptr || below == stage) continue;
    below->above_ = stage;
    stage->below_.push_back(below);
  }
}

bool AdapterStage::any(Model& model) {
  return std::ranges::any_of(model.all_junctions(), [](const JunctionSite* site) {
    return std::ranges::any_of(site->patches(), [](const auto& entry) {
      return dynamic_cast<const AdapterStage*>(entry.second.get()) != nullptr;
    });
  });
}

Tensor AdapterStage::forward(const JunctionIn& in, const JunctionNext& next) {
  if (!above_.expired()) return next(in);  // the topmost runs pass() of all
  if (below_.empty()) return close(pass(in, next), in, next);
  JunctionIn at = in;
  for (const auto& stage : below_)
    at.h = stage->pass(at, next);
  return close(pass(at, next), in, next);
}

BottleneckStage::BottleneckStage(const AdapterBlockOptions& options)
    : bottleneck_(register_module("bottleneck", std::make_shared<AdapterBlock>(options))) {}
BottleneckStage::~BottleneckStage() = default;

bool BottleneckStage::row_wise() const { return bottleneck_->row_wise(); }

Tensor BottleneckStage::pass(const JunctionIn& in, const JunctionNext& norm) {
  return bottleneck_->forward(bottleneck_->enter(in, norm), in.layout);
}

Tensor BottleneckStage::close(const Tensor& y, const JunctionIn& in, const JunctionNext& norm) {
  return bottleneck_->leave(y, in, norm);
}

}  // namespace v1
}  // namespace plugtune
