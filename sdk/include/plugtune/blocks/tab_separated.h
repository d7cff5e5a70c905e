#pragma once
// tab_separated.h - the rows of a file of tab-separated values in which nothing is quoted, as research corpora come.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "plugtune/blocks/text_file.h"

namespace plugtune {
inline namespace v1 {

/// Hands every row's columns to `take`, which says what is wrong with them, "" for nothing. A '"' is a character, at the beginning
/// of a column too.
/// @param names  of the columns: what the first line must hold
/// Throws Error with all problems, each with its line.
PLUGTUNE_API void read_tab_separated(const TextFile& file, const std::vector<std::string>& names,
                                     const std::function<std::string(const std::vector<std::string_view>&)>& take);

}  // namespace v1
}  // namespace plugtune
