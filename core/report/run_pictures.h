#pragma once
// run_pictures.h - the parts of a run's page that show numbers. Inside this layer; each is "" when there is nothing to show.

#include <string>
#include <vector>

#include "report/run_report.h"

namespace plugtune::report {

/// Loss, accuracy (or what decided), learning rate and gradient norm by step.
std::string curves(const RunReport& report, const std::vector<train::StepReport>& steps);

/// The counts of true by predicted labels; of more than kMostLabelsShown labels the pairs that are mistaken most.
std::string confusion_table(const RunReport& report);
inline constexpr size_t kMostLabelsShown = 24;

/// Precision, recall and F1 of each label, from the same counts.
std::string labels_table(const RunReport& report);

/// Of a regression: true against predicted values, and how the errors lie.
std::string residuals(const RunReport& report);

/// The texts that the run is most sure of and wrong about.
std::string mistakes_list(const RunReport& report);

/// Where the run's time went.
std::string time_bar(const RunReport& report);

}  // namespace plugtune::report
