#pragma once
// compare_rows.h - the rows of a comparison, shared by its forms. Inside this layer.

#include <string>
#include <vector>

#include "report/compare.h"
#include "report/text_table.h"

namespace plugtune::report {

/// "first + second": the strategies of a run, in order.
std::string strategies_text(const RunReport& report);

/// A metric by its name; NaN where there is none.
double value_of(const train::Metrics& metrics, const std::string& name);

TextTable compare_rows(const std::vector<ComparedRun>& runs);

}  // namespace plugtune::report
