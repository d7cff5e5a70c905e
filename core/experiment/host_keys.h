#pragma once
// host_keys.h - the keys of [data] that are the host's own.

namespace plugtune::experiment {

inline constexpr const char* kHostDataKeys[] = {"plugin",     "max_length", "train_limit",
                                                "eval_limit", "normalize",  "special_tokens_in_text"};

}  // namespace plugtune::experiment
