#pragma once
// results_html.h - a study's results on a page that needs no other file.

#include <string>

#include "study/results.h"

namespace plugtune::study {

/// Curves by size and by rate, what each method is worth against what it costs, and the tables of results_text().
std::string results_html(const Study& study, const Results& results);

/// The tables alone. Inside this layer.
std::string results_tables_html(const Study& study, const Results& results);

}  // namespace plugtune::study
