// combine.cc - which runs go together, and their updates added site by site.
#include "combine.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "delta.h"
#include "pruning.h"

namespace plugtune::lora {
namespace {

/// One run, taken apart.
struct Run {
  std::string name;
  double weight;
  LoraDelta delta;
  bool has(const BertSite& site) const { return delta.settings.chooses(site.info); }
  /// What peft calls the adapter's rank.
  int64_t largest_rank() const {
    int64_t largest = delta.settings.defaults.rank;
    for (const auto& [key, rank] : delta.settings.ranks.entries())
      largest = std::max(largest, static_cast<int64_t>(rank));
    return largest;
  }
};

/// What one run does at one site: scale B A.
struct Update {
  Tensor a, b;  // (r, in), (out, r)
  double scale, weight;
};

/// A new update of scale 1.
struct Low {
  Tensor a, b;
  double error = 0;
};

const Algorithm& algorithm_of(const CombineOptions& options) {
  std::vector<std::string> names;
  for (const Algorithm& algorithm : algorithms()) {
    if (algorithm.name == options.method) return algorithm;
    names.emplace_back(algorithm.name);
  }
  const std::string hint = did_you_mean(options.method, names);
  throw Error("combine: there is no method '" + options.method + "'" + (hint.empty() ? "; " : hint + " ") +
              "methods of strategy 'lora': " + join(names));
}

Run run_of(const MethodDelta& delta, const std::string& name, double weight, const ExchangeBase& base) {
  const ConfigView view(delta.settings,
                        {.subject = "strategy", .owner = "strategy 'lora'", .file = "", .open_run = {}});
  const LoraSettings settings(view);
  const auto refuse = [&](const std::string& why) { throw Error("combine: " + name + " " + why); };
  if (settings.chooses({"classifier", Role::kClassifier, -1}))
    refuse("has an update of the classifier, which is a part of the head; merge the run instead");
  if (settings.dora) refuse("is DoRA, whose magnitudes do not add up; merge the run instead");
  if (settings.gate) refuse("has gates, which follow the text: its update is no matrix that could be added");
  if (settings.bias != "none")
    refuse("has trained biases (bias = \"" + settings.bias +
           "\"), which belong to one run only; merge the run instead");
  return {name, weight, LoraDelta(delta, "combine", base)};
}

std::vector<Update> updates_at(const std::vector<Run>& runs, const BertSite& site) {
  std::vector<Update> updates;
  for (const Run& run : runs) {
    if (!run.has(site)) continue;
    updates.push_back({run.delta.at(site, "update.a").to(torch::kFloat32),
                       run.delta.at(site, "update.b").to(torch::kFloat32), run.delta.scale(site), run.weight});
  }
  return updates;
}

/// A and B are added number by number: every run must have them, in one shape.
void check_same_factors(const std::vector<Run>& runs, const BertSite& site, const std::string& method) {
  const std::string hint = "; cat and svd take any";
  for (const Run& run : runs) {
    const Run& first = runs.front();
    if (run.has(site) != first.has(site)) {
      const Run& having = run.has(site) ? run : first;
      const Run& lacking = run.has(site) ? first : run;
      throw Error("combine: " + method + " needs the same targets in every run, " + site.info.path + " is tuned in " +
                  having.name + " and not in " + lacking.name + hint);
    }
    const int64_t rank = first.delta.settings.options(site.info).rank;
    const int64_t other = run.delta.settings.options(site.info).rank;
    if (rank == other) continue;
    throw Error("combine: " + method + " needs the same rank in every run, " + site.info.path + " has rank " +
                std::to_string(rank) + " in " + first.name + " and " + std::to_string(other) + " in " + run.name +
                hint);
  }
}

Low stack(const std::vector<Update>& updates) {
  std::vector<Tensor> a, b;
  for (const Update& update : updates) {
    a.push_back(update.a * update.weight * update.scale);
    b.push_back(update.b);
  }
  return {torch::cat(a, 0), torch::cat(b, 1)};
}

/// ||B A|| from products of the rank's size.
double norm_of_product(const Tensor& b, const Tensor& a) {
  const double square = (a.matmul(a.t()) * b.t().matmul(b)).sum().item<double>();
  return std::sqrt(std::max(square, 0.0));
}

/// How far B A is from the weighted sum of the updates.
double error_of_sum(const Low& low, const std::vector<Update>& updates) {
  const Low exact = stack(updates);
  const Tensor a = exact.a.to(torch::kFloat64), b = exact.b.to(torch::kFloat64);
  const double whole = norm_of_product(b, a);
  const double rest =
      norm_of_product(torch::cat({b, -low.b.to(torch::kFloat64)}, 1), torch::cat({a, low.a.to(torch::kFloat64)}, 0));
  return whole == 0 ? 0 : rest / whole;
}

Low add_factors(const std::vector<Update>& updates, Adder& adder) {
  std::vector<Tensor> a, b;
  std::vector<double> a_weights, b_weights;
  for (const Update& update : updates) {
    const double root = std::sqrt(std::abs(update.weight * update.scale));
    a.push_back(update.a);
    b.push_back(update.b);
    a_weights.push_back(update.weight * update.scale >= 0 ? root : -root);  // on one side: signs of both would cancel
    b_weights.push_back(root);
  }
  const Tensor sum_a = adder.add(a, a_weights);  // before B: random masks are drawn in peft's order
  return {sum_a, adder.add(b, b_weights)};
}

/// left U S V^T right cut to `rank`.
Low cut(const Tensor& product, int64_t rank) {
  const auto [u, s, vh] = at::linalg_svd(product, /*full_matrices=*/false);
  const int64_t kept = std::min(rank, s.numel());
  const double whole = s.norm().item<double>(), lost = s.slice(0, kept).norm().item<double>();
  return {vh.slice(0, 0, kept), u.slice(1, 0, kept) * s.slice(0, 0, kept), whole == 0 ? 0 : lost / whole};
}

/// The best approximation of the weighted sum. It has the sum of the ranks at most, so its singular values are those of
/// a small core between two orthogonal matrices; peft decomposes the whole of it, and gets the same but for rounding.
Low cut_sum(const std::vector<Update>& updates, int64_t rank) {
  const Low sum = stack(updates);
  const auto [left, left_core] = at::linalg_qr(sum.b.to(torch::kFloat64));
  const auto [right, right_core] = at::linalg_qr(sum.a.to(torch::kFloat64).t());
  const Low core = cut(left_core.matmul(right_core.t()), rank);
  return {core.a.matmul(right.t()), left.matmul(core.b), core.error};
}

Low cut_pruned_sum(const std::vector<Update>& updates, Adder& adder, int64_t rank, bool is_words) {
  std::vector<Tensor> products;
  std::vector<double> weights;
  for (const Update& update : updates) {
    products.push_back(update.b.matmul(update.a) * update.scale);
    weights.push_back(update.weight);
  }
  return cut(adder.add(products, weights, is_words).to(torch::kFloat64), rank);
}

Low combined_update(const Algorithm& algorithm, const std::vector<Update>& updates, Adder& adder, int64_t rank,
                    bool is_words) {
  switch (algorithm.space) {
    case Space::kStacked:
      return stack(updates);
    case Space::kProduct:
      return algorithm.pruning == Pruning::kNone ? cut_sum(updates, rank)
                                                 : cut_pruned_sum(updates, adder, rank, is_words);
    case Space::kFactors:
      break;
  }
  Low sum = add_factors(updates, adder);
  if (algorithm.pruning == Pruning::kNone) sum.error = error_of_sum(sum, updates);
  return sum;
}

/// Whether it aims at a sum of updates that it may miss. What prunes A and B aims at no such thing.
bool is_approximate(const Algorithm& algorithm) {
  return algorithm.space == Space::kProduct ||
         (algorithm.space == Space::kFactors && algorithm.pruning == Pruning::kNone);
}

/// The settings of runs that tune the same sites keep their words; else every site of the result by name.
void set_targets(ConfigNode& settings, const std::vector<Run>& runs, const std::vector<BertSite>& sites) {
  const LoraSettings& first = runs.front().delta.settings;
  const bool is_same = std::ranges::all_of(sites, [&](const BertSite& site) { return runs.front().has(site); }) &&
                       sites.size() == runs.front().delta.chosen.size();
  if (is_same) {
    settings.set("targets", array_of(first.targets));
    settings.set("layers", text_node(first.layers));
    settings.set("exclude", array_of(first.exclude.targets()));
    return;
  }
  std::vector<std::string> paths;
  for (const BertSite& site : sites)
    paths.push_back(site.info.path);
  settings.set("targets", array_of(paths));
}

/// alpha = rank everywhere: a scale of 1.
void set_ranks(ConfigNode& settings, const std::vector<BertSite>& sites, const std::vector<Low>& updates) {
  int64_t largest = 0;
  for (const Low& update : updates)
    largest = std::max(largest, update.a.size(0));
  settings.set("rank", {largest});
  settings.set("alpha", {static_cast<double>(largest)});
  ConfigNode others{ConfigNode::Table{}};
  for (size_t i = 0; i < sites.size(); ++i)
    if (updates[i].a.size(0) != largest) others.set(sites[i].info.path, {updates[i].a.size(0)});
  if (std::get<ConfigNode::Table>(others.value).empty()) return;
  settings.set("ranks", others);
  settings.set("alphas", others);
}

MethodDelta delta_of(const std::vector<Run>& runs, const std::vector<BertSite>& sites,
                     const std::vector<Low>& updates) {
  const LoraSettings& first = runs.front().delta.settings;
  const auto type = runs.front().delta.tensors.begin()->second.scalar_type();
  MethodDelta delta{.settings = {ConfigNode::Table{}}, .tensors = {}, .sources = {}};
  set_targets(delta.settings, runs, sites);
  set_ranks(delta.settings, sites, updates);
  delta.settings.set("dropout", {first.defaults.dropout});
  delta.settings.set("name", text_node(first.name));
  for (size_t i = 0; i < sites.size(); ++i) {
    delta.tensors.emplace_back(delta_key(sites[i], first.name, "update.a"), updates[i].a.to(type).contiguous());
    delta.tensors.emplace_back(delta_key(sites[i], first.name, "update.b"), updates[i].b.to(type).contiguous());
  }
  return delta;
}

}  // namespace

const std::vector<Algorithm>& algorithms() {
  static const std::vector<Algorithm> all = {{"svd", Space::kProduct, Pruning::kNone, false},
                                             {"cat", Space::kStacked, Pruning::kNone, false},
                                             {"linear", Space::kFactors, Pruning::kNone, false},
                                             {"ties", Space::kFactors, Pruning::kMagnitude, true},
                                             {"ties_svd", Space::kProduct, Pruning::kMagnitude, true},
                                             {"dare", Space::kFactors, Pruning::kRandom, false},
                                             {"dare_linear", Space::kFactors, Pruning::kRandom, false},
                                             {"dare_linear_svd", Space::kProduct, Pruning::kRandom, false},
                                             {"dare_ties", Space::kFactors, Pruning::kRandom, true},
                                             {"dare_ties_svd", Space::kProduct, Pruning::kRandom, true},
                                             {"magnitude_prune", Space::kFactors, Pruning::kMagnitude, false},
                                             {"magnitude_prune_svd", Space::kProduct, Pruning::kMagnitude, false}};
  return all;
}

CombinedDelta combine(const std::vector<MethodDelta>& deltas, const CombineOptions& options, const ExchangeBase& base) {
  torch::NoGradGuard no_grad;
  const Algorithm& algorithm = algorithm_of(options);
  Adder adder(algorithm, options);
  std::vector<Run> runs;
  int64_t rank = 0;
  for (size_t i = 0; i < deltas.size(); ++i) {
    runs.push_back(run_of(deltas[i], options.names.at(i), options.weights.at(i), base));
    rank = std::max(rank, runs.back().largest_rank());
  }
  rank = options.rank.value_or(rank);

  CombinedDelta combined;
  std::vector<BertSite> sites;
  std::vector<Low> results;
  for (const BertSite& site : runs.front().delta.sites) {
    if (algorithm.space == Space::kFactors) check_same_factors(runs, site, options.method);
    const std::vector<Update> updates = updates_at(runs, site);
    if (updates.empty()) continue;
    results.push_back(combined_update(algorithm, updates, adder, rank, site.info.role == Role::kWordEmbeddings));
    sites.push_back(site);
    if (is_approximate(algorithm)) combined.errors.emplace_back(site.info.path, results.back().error);
  }
  combined.delta = delta_of(runs, sites, results);
  return combined;
}

}  // namespace plugtune::lora
