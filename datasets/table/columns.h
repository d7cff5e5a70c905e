#pragma once
// columns.h - which columns the settings mean, and whether the first line names them.

#include <array>
#include <string>
#include <vector>

#include "delimited.h"

namespace table {

/// The setting, else: names are wanted, so there must be one; numbers only: the training file's first line is a header when
/// its label is no label (see header_by_labels); another file's when it is the training file's.
bool first_line_is_header(const plugtune::TextFile& file, const Settings& settings, Dialect dialect,
                          const std::vector<std::string>& first, const FirstLine& training);

/// The position of each wanted column, -1 for one that is not wanted. Notes what is not there in `config`.
std::array<ptrdiff_t, kColumns> find_columns(const plugtune::ConfigView& config, const Settings& settings,
                                             const std::string& path, const std::vector<std::string>& first,
                                             bool has_header);

/// "; did you mean 'x'? " or "; ": for what follows.
std::string near(const std::string& wanted, const std::vector<std::string>& known);

/// "a, b, c and 5 more".
std::string name_list(const std::vector<std::string>& names);

}  // namespace table
