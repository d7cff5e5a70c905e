// plan.cc - the runs of a study; grid search and successive halving (Jamieson and Talwalkar 2016) of rates.
#include "study/plan.h"

#include <algorithm>
#include <cmath>

#include "train/metrics.h"

namespace plugtune::study {
namespace {

constexpr int64_t kKept = 3;  // of halving: a third goes on, three times as long

/// The rungs of a search: how many rates are tried, for which part of the full length.
struct Rung {
  size_t rates;
  int64_t shorter;
};
std::vector<Rung> rungs_of(const Study& study, size_t rates) {
  if (!study.search->halving || rates < 2) return {{rates, 1}};
  std::vector<Rung> rungs;
  for (size_t left = rates; rungs.empty() || left > 1; left = (left + kKept - 1) / kKept)
    rungs.push_back({left, 1});
  for (size_t i = rungs.size() - 1; i-- > 0;)
    rungs[i].shorter = rungs[i + 1].shorter * kKept;
  return rungs;
}

/// How many rates the rungs from `first` on try when `left` of them are left.
size_t rates_from(const std::vector<Rung>& rungs, size_t first, size_t left) {
  size_t rates = 0;
  for (size_t i = first; i < rungs.size(); ++i)
    rates += std::min(rungs[i].rates, left);
  return rates;
}

class Planner {
 public:
  Planner(const Study& study, const std::string& metric, const SearchValue& value)
      : study_(study),
        metric_(metric),
        value_(value) {}

  Plan make() {
    plan_.choices.resize(study_.methods.size());
    // Of sources that are trained once the search's runs start too, so they are first.
    for (const size_t method : study_.order) {
      if (!has_search_runs(study_, method)) plan_.choices[method].rate = rate_of(method);
      if (study_.methods[method].once) plan_runs(method);
    }
    for (const size_t method : study_.order)
      if (has_search_runs(study_, method)) plan_search(method);
    for (const size_t method : study_.order)
      if (!study_.methods[method].once) plan_runs(method);
    count();
    return std::move(plan_);
  }

 private:
  ConfigNode rate_of(size_t method) const {
    const auto& rates = study_.methods[method].rates;
    return rates.empty() ? ConfigNode{0.0} : rates.front();
  }

  bool sources_are_chosen(size_t method) const {
    return std::ranges::all_of(study_.methods[method].sources,
                               [&](size_t source) { return plan_.choices[source].rate.has_value(); });
  }

  /// The run of `source` that a run starts from.
  RunKey source_key(size_t source, const RunKey& key) const {
    RunKey own;
    own.method = source;
    own.rate = *plan_.choices[source].rate;
    own.seed = study_.methods[source].once ? study_.seeds.front() : key.seed;
    if (!study_.methods[source].once) own.size = key.size, own.is_search = key.is_search;
    return own;
  }

  void add(const RunKey& key, bool is_helper) {
    PlannedRun run{key, run_id(study_, key), {}, {}, is_helper};
    for (const size_t source : study_.methods[key.method].sources)
      run.sources.push_back(run_id(study_, source_key(source, key)));
    run.tables = run_tables(study_, key, [&](const std::string& name) {
      const auto at = std::ranges::find(study_.methods, name, &Method::name);
      const RunKey source = source_key(static_cast<size_t>(at - study_.methods.begin()), key);
      return (study_.directory / run_id(study_, source)).string();
    });
    plan_.runs.push_back(std::move(run));
  }

  RunKey search_key(size_t method, const ConfigNode& rate, int64_t seed, int64_t shorter) const {
    return {method, /*is_search=*/true, study_.search->size, seed, rate, shorter};
  }

  /// Plans the runs of a rung.  -> the rates with their values, or none while one is not known
  std::optional<std::vector<std::pair<double, ConfigNode>>> plan_rung(size_t method,
                                                                      const std::vector<ConfigNode>& rates,
                                                                      int64_t shorter) {
    std::vector<std::pair<double, ConfigNode>> values;
    bool all_known = true;
    for (const ConfigNode& rate : rates) {
      double sum = 0, finished = 0;
      bool is_known = true;
      for (const int64_t seed : study_.search->seeds) {
        const RunKey key = search_key(method, rate, seed, shorter);
        add(key, /*is_helper=*/!has_search(study_, method));
        const std::optional<double> value = value_(run_id(study_, key));
        is_known = is_known && value.has_value();
        sum += value.value_or(0), ++finished;
      }
      // A rate at which one seed's run fails is no rate to choose: its sum is not finite.
      values.emplace_back(sum / finished, rate);
      all_known = all_known && is_known;
      note(method, {real(rate), is_known ? sum / finished : NAN, shorter, is_known});
    }
    if (!all_known) return std::nullopt;
    return values;
  }

  void note(size_t method, const TriedRate& tried) {
    if (!has_search(study_, method)) return;
    auto& all = plan_.choices[method].tried;
    const auto at = std::ranges::find(all, tried.rate, &TriedRate::rate);
    if (at == all.end())
      all.push_back(tried);
    else if (tried.is_known)
      *at = tried;
  }

  void plan_search(size_t method) {
    std::vector<ConfigNode> rates = study_.methods[method].rates;
    if (rates.empty()) rates.push_back(rate_of(method));
    const std::vector<Rung> rungs = rungs_of(study_, rates.size());
    Choice& choice = plan_.choices[method];
    const auto with_seeds = [&](size_t runs) { return static_cast<int64_t>(runs * study_.search->seeds.size()); };
    choice.search_runs = with_seeds(rates_from(rungs, 0, rates.size()));
    if (!has_search(study_, method)) choice.rate = rates.front();
    if (!sources_are_chosen(method)) return;
    size_t tried = 0;
    for (size_t i = 0; i < rungs.size(); ++i) {
      tried += rates.size();
      auto values = plan_rung(method, rates, rungs[i].shorter);
      if (!values || !has_search(study_, method)) return;
      std::erase_if(*values, [](const auto& entry) { return !std::isfinite(entry.first); });
      choice.search_runs = with_seeds(tried + rates_from(rungs, i + 1, values->size()));
      if (values->empty()) return;  // no rate came to its end: told as failed runs
      std::ranges::stable_sort(
          *values, [&](const auto& a, const auto& b) { return train::is_better(metric_, a.first, b.first); });
      const size_t left = i + 1 < rungs.size() ? rungs[i + 1].rates : 1;
      rates.clear();
      for (size_t place = 0; place < std::min(left, values->size()); ++place)
        rates.push_back((*values)[place].second);
    }
    choice.rate = rates.front();
  }

  void plan_runs(size_t index) {
    const Method& method = study_.methods[index];
    if (!plan_.choices[index].rate || !sources_are_chosen(index)) return;
    if (method.once)
      return add({index, false, ConfigNode{int64_t{0}}, study_.seeds.front(), *plan_.choices[index].rate, 1}, true);
    for (const ConfigNode& size : method.sizes)
      for (const int64_t seed : method.seeds)
        add({index, false, size, seed, *plan_.choices[index].rate, 1}, method.is_source);
  }

  void count() {
    for (size_t i = 0; i < study_.methods.size(); ++i) {
      if (has_search(study_, i)) plan_.total += plan_.choices[i].search_runs;
      const Method& method = study_.methods[i];
      if (!method.is_source) plan_.total += static_cast<int64_t>(method.sizes.size() * method.seeds.size());
    }
  }

  const Study& study_;
  const std::string& metric_;
  const SearchValue& value_;
  Plan plan_;
};

}  // namespace

const PlannedRun* Plan::find(const std::string& id) const {
  const auto at = std::ranges::find(runs, id, &PlannedRun::id);
  return at == runs.end() ? nullptr : &*at;
}

Plan make_plan(const Study& study, const std::string& metric, const SearchValue& value) {
  return Planner(study, metric, value).make();
}

}  // namespace plugtune::study
