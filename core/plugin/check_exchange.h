#pragma once
// check_exchange.h - inside `plugtune check`: what a strategy says in the files of other libraries.

#include <string>

#include "plugin/check_trial.h"

namespace plugtune::plugin {

/// Whatever the Exchange writes it knows again, reads back to the same output, and misses nothing and keeps nothing of it.
std::string check_exchange(const CheckSubject& subject);

}  // namespace plugtune::plugin
