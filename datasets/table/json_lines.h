#pragma once
// json_lines.h - one JSON object per line; the wanted columns are its keys.

#include <memory>

#include "plugtune/blocks/text_file.h"

#include "cell.h"
#include "settings.h"

namespace table {

/// Notes a wanted key that the first object does not have in `config`: call config.reject_unknown() before the first row.
std::unique_ptr<Rows> json_rows(const plugtune::TextFile& file, const Settings& settings,
                                const plugtune::ConfigView& config, plugtune::FileProblems& problems);

}  // namespace table
