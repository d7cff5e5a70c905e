#pragma once
// check_numbers.h - inside `plugtune check`: the tests of what a strategy computes.

#include <string>

#include "plugin/check_trial.h"

namespace plugtune::plugin {

/// Runs each patched site by itself; fails naming the first whose patches return another shape or type than it promises.
void check_site_shapes(Trial& trial);

std::string check_identity(const CheckSubject& subject);
std::string check_gradients(const CheckSubject& subject);
std::string check_loss_falls(const CheckSubject& subject);
std::string check_fold(const CheckSubject& subject);
std::string check_packed(const CheckSubject& subject);
std::string check_types(const CheckSubject& subject);
std::string check_modes(const CheckSubject& subject);
std::string check_differences(const CheckSubject& subject);  ///< in check_differences.cc
std::string check_speed(const CheckSubject& subject);        ///< in check_speed.cc

}  // namespace plugtune::plugin
