// suggest.cc - the existing name that a mistyped one is nearest to.
#include <algorithm>
#include <numeric>

#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {
namespace {

// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours count one each.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i)
    d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j)
    d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string nearest_name(const std::string& name, const std::vector<std::string>& known) {
  std::string best;
  size_t best_distance = std::max<size_t>(1, name.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

namespace {

/// What peft and transformers call it, for those who come from there.
std::string name_of_others(const std::string& name, const std::vector<std::string>& known) {
  static constexpr std::pair<const char*, const char*> kOthers[] = {
      {"r", "rank"},
      {"lora_rank", "rank"},
      {"lora_alpha", "alpha"},
      {"lora_dropout", "dropout"},
      {"target_modules", "targets"},
      {"layers_to_transform", "layers"},
      {"use_rslora", "rank_stabilized"},
      {"use_dora", "dora"},
      {"lr", "learning_rate"},
      {"num_train_epochs", "epochs"},
      {"num_epochs", "epochs"},
      {"max_steps", "steps"},
      {"per_device_train_batch_size", "batch_size"},
      {"adam_epsilon", "epsilon"},
      {"lr_scheduler_type", "schedule"},
      {"gradient_checkpointing", "recompute"},
      {"max_seq_length", "max_length"},
      {"text_column", "text"},
      {"label_column", "label"},
      {"max_train_samples", "train_limit"},
      {"max_eval_samples", "eval_limit"},
  };
  for (const auto& [other, own] : kOthers)
    if (name == other && std::find(known.begin(), known.end(), own) != known.end()) return own;
  return "";
}

std::string lower(std::string text) {
  for (char& letter : text)
    letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  return text;
}

}  // namespace

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known) {
  std::string nearest = name_of_others(name, known);
  if (nearest.empty()) nearest = nearest_name(name, known);
  if (nearest.empty()) nearest = nearest_name(lower(name), known);
  return nearest.empty() ? "" : "; did you mean '" + nearest + "'?";
}

}  // namespace v1
}  // namespace plugtune
