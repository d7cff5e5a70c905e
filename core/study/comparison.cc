// comparison.cc - two methods of a study at one size.
#include "study/comparison.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/text_table.h"
#include "train/metrics.h"

namespace plugtune::study {
namespace {

constexpr double kLevel = 1 - kConfidence;

double value_of(const report::RunReport& report, const std::string& metric) {
  for (const auto& [name, value] : report.final_metrics().values)
    if (name == metric) return value;
  return NAN;
}

const report::Answers* answers_of(const report::RunReport& report) {
  return report.test && report.test->answers ? &*report.test->answers : nullptr;
}

/// Of the same examples; else they cannot be paired.
bool are_paired(const report::Answers* first, const report::Answers* second) {
  return first != nullptr && second != nullptr && first->labels == second->labels &&
         first->multi_label == second->multi_label && first->truth == second->truth &&
         first->true_values == second->true_values;
}

McNemar mcnemar_of(int64_t seed, const report::Answers& first, const report::Answers& second) {
  McNemar test{seed, 0, 0, 1};
  for (size_t i = 0; i < first.size(); ++i) {
    const bool is_first = first.is_right(i), is_second = second.is_right(i);
    test.first_alone += is_first && !is_second ? 1 : 0;
    test.second_alone += is_second && !is_first ? 1 : 0;
  }
  test.p = mcnemar_p(test.first_alone, test.second_alone);
  return test;
}

/// McNemar's test is of answers that are right, whatever the metric.
bool is_of_metric(const Comparison& pair) { return pair.metric == "accuracy" && !pair.mcnemar.empty(); }

/// "over test examples +0.0010 to +0.0030, over 3 seeds -0.0010 to +0.0050"
std::string evidence_text(const Comparison& pair) {
  std::vector<std::string> parts;
  const Interval &examples = pair.over_examples.interval, &seeds = pair.over_seeds.interval;
  if (examples.is_known()) parts.push_back("over test examples " + interval_text(examples));
  if (seeds.is_known()) parts.push_back(fmt::format("over {} seeds {}", pair.seeds.size(), interval_text(seeds)));
  if (pair.seeds.size() == 1 && is_of_metric(pair))
    parts.push_back(
        fmt::format("McNemar p {}{}", pair.mcnemar.front().p > 0 ? "= " : "", p_text(pair.mcnemar.front().p)));
  return join(parts);
}

/// Of seeds that leave other seeds open; "" where Student's interval tells what they may be.
std::string silence_of_seeds(const Comparison& pair) {
  if (pair.over_seeds.interval.is_known()) return "";
  if (pair.seeds.size() == 1) return "One seed says nothing of others";
  return fmt::format("{} seeds with equal differences say nothing of others", pair.seeds.size());
}

std::string sentence_without_evidence(const Comparison& pair, const std::string& values) {
  const std::string examples =
      pair.has_answers ? pair.metric + " has no test over examples" : "there are no answers to pair";
  const std::string seeds = pair.seeds.size() == 1 ? "there is no second seed" : silence_of_seeds(pair);
  return fmt::format("Of {} and {} nothing can be said: {}; {}, and {}.", pair.first, pair.second, values, examples,
                     seeds);
}

/// One run of each is no method: what it came to may be its seed's.
std::string verdict_of(const Comparison& pair) {
  const bool is_one = pair.seeds.size() == 1;
  if (!pair.is_distinguishable)
    return fmt::format("{}{} and {} cannot be told apart", is_one ? "These runs of " : "", pair.first, pair.second);
  const bool is_better = train::is_better(pair.metric, pair.first_value, pair.second_value);
  return fmt::format("{}{} is {} than {}{}", is_one ? "This run of " : "", pair.first, is_better ? "better" : "worse",
                     is_one ? "this run of " : "", pair.second);
}

std::string sentence_of(const Comparison& pair) {
  if (pair.seeds.empty())
    return fmt::format("{} and {} have no finished runs with the same seed.", pair.first, pair.second);
  const std::string values =
      fmt::format("{} {} against {}, a difference of {:+.4f}", pair.metric, report::metric_text(pair.first_value),
                  report::metric_text(pair.second_value), pair.difference);
  const std::string evidence = evidence_text(pair), silence = silence_of_seeds(pair);
  if (evidence.empty()) return sentence_without_evidence(pair, values);
  return fmt::format("{}: {} (95 %: {}).{}", verdict_of(pair), values, evidence,
                     silence.empty() ? "" : " " + silence + ".");
}

/// Every kind of chance that could be looked at has to be an unlikely reason.
bool is_distinguishable(const Comparison& pair) {
  const Interval &examples = pair.over_examples.interval, &seeds = pair.over_seeds.interval;
  const bool by_examples = !examples.is_known() || !examples.has_zero();
  // Seeds whose differences are equal are too few to tell how far others lie: they leave the difference open.
  if (pair.seeds.size() > 1) return by_examples && seeds.is_known() && !seeds.has_zero();
  return examples.is_known() && by_examples && (!is_of_metric(pair) || pair.mcnemar.front().p < kLevel);
}

/// Both kinds of chance have to be ruled out, so the larger p counts.
double p_of(const Comparison& pair) {
  const double examples = normal_p(pair.difference, pair.over_examples.deviation);
  if (pair.seeds.size() > 1) return std::isnan(pair.student_p) ? NAN : std::fmax(pair.student_p, examples);
  return is_of_metric(pair) ? std::fmax(examples, pair.mcnemar.front().p) : examples;
}

}  // namespace

std::string p_text(double p) {
  if (!std::isfinite(p)) return "-";
  return p > 0 ? fmt::format("{:.2g}", p) : "< 1e-300";
}

std::string interval_text(const Interval& interval) {
  return fmt::format("{:+.4f} to {:+.4f}", interval.low, interval.high);
}

Comparison compare_methods(const std::string& first, const std::vector<SeededRun>& first_runs,
                           const std::string& second, const std::vector<SeededRun>& second_runs, Bootstrap& bootstrap) {
  Comparison pair;
  pair.first = first, pair.second = second, pair.metric = bootstrap.metric();
  std::vector<double> first_values, second_values, differences;
  std::vector<PairedAnswers> answers;
  for (const SeededRun& one : first_runs) {
    const auto other = std::ranges::find(second_runs, one.seed, &SeededRun::seed);
    if (other == second_runs.end()) continue;
    pair.seeds.push_back(one.seed);
    first_values.push_back(value_of(*one.report, pair.metric));
    second_values.push_back(value_of(*other->report, pair.metric));
    differences.push_back(first_values.back() - second_values.back());
    const report::Answers *mine = answers_of(*one.report), *theirs = answers_of(*other->report);
    if (!are_paired(mine, theirs)) continue;
    answers.push_back({mine, theirs});
    if (mine->labels > 0) pair.mcnemar.push_back(mcnemar_of(one.seed, *mine, *theirs));
  }
  pair.first_value = mean_of(first_values).value;
  pair.second_value = mean_of(second_values).value;
  pair.over_seeds = mean_of(differences);
  pair.difference = pair.over_seeds.value;
  pair.student_p = student_p(differences);
  pair.has_answers = !answers.empty() && answers.size() == pair.seeds.size() &&
                     std::ranges::all_of(answers, [&](const PairedAnswers& one) {
                       return are_paired(answers.front().first, one.first);
                     });
  if (pair.has_answers) pair.over_examples = bootstrap.difference(answers);
  pair.is_distinguishable = is_distinguishable(pair);
  pair.p = p_of(pair);
  pair.sentence = sentence_of(pair);
  return pair;
}

void correct_for_number(std::vector<Comparison>& pairs) {
  std::vector<double> all;
  for (const Comparison& pair : pairs)
    all.push_back(pair.p);
  const std::vector<double> corrected = holm(all);
  const auto known = std::ranges::count_if(all, [](double p) { return std::isfinite(p); });
  for (size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].holm_p = corrected[i];
    if (known > 1 && pairs[i].is_distinguishable && corrected[i] >= kLevel)
      pairs[i].sentence +=
          fmt::format(" Among {} pairs such a difference may be chance: Holm's p is {}.", known, p_text(corrected[i]));
  }
}

}  // namespace plugtune::study
