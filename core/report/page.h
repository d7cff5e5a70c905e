#pragma once
// page.h - what every page of ours is made of: one file, no script, no network, light and dark, phone and desk.

#include <string>
#include <string_view>

#include "plugtune/capability.h"
#include "report/text_table.h"

namespace plugtune::report {

/// Text as it may stand in a page, in attributes too: no character of it is read as markup.
std::string escaped(std::string_view text);

/// The page up to its first heading, which is `title`, and its end. Colours are those of `.k0` to `.k6` and follow the reader's
/// choice of light or dark.
std::string page_begin(std::string_view title);
std::string page_end();

/// Pictures side by side where there is room; "" when `figures` is.
std::string figure_row(const std::string& figures);

/// A table that is scrolled by itself where it is wider than the page.
std::string html_table(const TextTable& table);

/// What a key means: "■ training", in the colour that pictures draw series `index` in.
std::string colour_key(size_t index, std::string_view name);

/// The strength of a colour behind a number, as an attribute. @param depth  0 to 1; what is not finite is 0
std::string tint(double depth);

/// A table of numbers, dark where they are large: attention weights, say. "" when it is empty.
std::string heat_map(const ReportTable& table);

}  // namespace plugtune::report
