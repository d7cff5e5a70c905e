#pragma once
// peft_words.h - targets of our settings in the words of peft's LoraConfig and back, so that a file leaves as it came.
//
// A translation is right only if it chooses the same sites of the model at hand: compare.

#include <string>
#include <vector>

#include "plugtune/blocks/peft_modules.h"

namespace plugtune::lora {

/// A target in our words, a role, a path or a /regex/, for a name of a list, an expression, or a key of a pattern.
std::string target_of_name(const std::string& name, const std::vector<BertSite>& sites);
std::string target_of_regex(const std::string& regex);
std::string target_of_pattern(const std::string& pattern, const std::vector<BertSite>& sites);

/// The reverse; "" when there is no such thing as a name or an expression.
std::string name_of_target(const std::string& target);
std::string regex_of_target(const std::string& target);
std::string pattern_of_target(const std::string& target);

}  // namespace plugtune::lora
