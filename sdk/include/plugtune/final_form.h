#pragma once
// final_form.h - for strategies that are still on their way to what they promise while they train.

#include "plugtune/export.h"

namespace plugtune {
inline namespace v1 {

/// Of a Strategy that changes its own form in training: ranks that shrink, weights that are pruned.
class PLUGTUNE_API FinalForm {
 public:
  virtual ~FinalForm();
  /// False while what it trains is larger, or of another kind, than what is promised for the end. Called in training, between steps.
  /// An evaluation before is reported, is never the best, and does not count against eval.patience.
  virtual bool has_final_form() const = 0;
};

}  // namespace v1
}  // namespace plugtune
