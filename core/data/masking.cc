// masking.cc - choosing tokens and what stands in their place.
#include "data/masking.h"

#include "data/draws.h"
#include "plugtune/error.h"

namespace plugtune::data {
namespace {

constexpr double kMasked = 0.8, kReplaced = 0.1;  // of the chosen ones; the rest are left as they are

}  // namespace

Masking::Masking(const text::Tokenizer& tokenizer, const MaskingOptions& options)
    : options_(options),
      mask_id_(tokenizer.mask_id().value_or(-1)),
      kinds_(static_cast<size_t>(tokenizer.size()), kSpecial) {
  if (mask_id_ < 0) {
    throw Error("task.kind: the model's vocabulary has no mask token '" + tokenizer.options().mask +
                "', which a masked-lm task needs");
  }
  for (int64_t id = 0; id < tokenizer.size(); ++id) {
    const std::string_view token = tokenizer.token(id);
    if (token.empty() || tokenizer.is_special(id)) continue;
    const std::string& prefix = tokenizer.options().continuing_prefix;
    kinds_[static_cast<size_t>(id)] = token.starts_with(prefix) && token.size() > prefix.size() ? kContinues : kBegins;
    words_.push_back(static_cast<int32_t>(id));
  }
}

std::vector<Masking::Choice> Masking::choose(std::span<const int32_t> ids, int64_t epoch, int64_t example) const {
  Draws draws(epoch == kEvaluation ? 0 : options_.seed, epoch, example);
  std::vector<Choice> choices;
  bool chosen = false;  // the word that the last token belongs to
  for (size_t position = 0; position < ids.size(); ++position) {
    const Kind kind = kinds_[static_cast<size_t>(ids[position])];
    if (kind == kSpecial) {
      chosen = false;
      continue;
    }
    const bool goes_on = options_.whole_words && kind == kContinues;
    if (!goes_on) chosen = draws.uniform() < options_.probability;
    if (!chosen) continue;
    const double kept = draws.uniform();
    const int32_t seen = kept < kMasked               ? mask_id_
                         : kept < kMasked + kReplaced ? words_[draws.below(words_.size())]
                                                      : ids[position];
    choices.push_back({static_cast<int64_t>(position), seen});
  }
  return choices;
}

}  // namespace plugtune::data
