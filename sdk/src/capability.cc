// capability.cc - the key functions of the classes that plugins implement.
#include "plugtune/capability.h"

#include "plugtune/final_form.h"
#include "plugtune/strategy.h"
#include "plugtune/training_plan.h"

namespace plugtune {
inline namespace v1 {

Foldable::~Foldable() = default;
FoldableEmbedding::~FoldableEmbedding() = default;
StepObserver::~StepObserver() = default;
void StepObserver::on_backward_end(int64_t) {}
void StepObserver::on_step_end(int64_t) {}
AuxiliaryLoss::~AuxiliaryLoss() = default;
ParamGrouping::~ParamGrouping() = default;
PlanObserver::~PlanObserver() = default;
CustomState::~CustomState() = default;
FinalForm::~FinalForm() = default;
Reporter::~Reporter() = default;
Strategy::~Strategy() = default;

}  // namespace v1
}  // namespace plugtune
