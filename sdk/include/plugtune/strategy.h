#pragma once
// strategy.h - how to tune: implemented by plugins, frozen for the life of an SDK major.

#include "plugtune/capability.h"
#include "plugtune/config.h"
#include "plugtune/export.h"
#include "plugtune/model.h"

namespace plugtune {
inline namespace v1 {

/// A parameter-efficient method. Made once per run from its table of the experiment file.
///
/// A constructor `explicit S(const ConfigView&)` reads every setting and ends with `config.reject_unknown()`.
/// What else it can do it says by inheriting a class of capability.h; the host looks once, when it is made.
class PLUGTUNE_API Strategy {
 public:
  virtual ~Strategy();
  /// Attaches patches and asks for base parameters. Called once: weights are loaded and frozen, no optimizer yet.
  /// Parameters of attached patches train by default; a patch's parameter that must not sets requires_grad false.
  virtual void apply(Model& model) = 0;
};

}  // namespace v1
}  // namespace plugtune
