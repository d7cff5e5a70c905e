// fill_masks.cc - masks of a text, filled by a masked-LM run.
#include "app/fill_masks.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/batches.h"
#include "plugtune/error.h"

namespace plugtune::app {
namespace {

size_t count_of(const std::string& part, const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
    ++count;
  return count;
}

text::Tokenizer tokenizer_of(const Session& session) {
  return text::Tokenizer::load(session.opened.directory,
                               {/*special_tokens_in_text=*/true, session.experiment.data.normalize_nfc});
}

}  // namespace

MaskFiller::MaskFiller(Session& session, int64_t words)
    : session_(session),
      tokenizer_(tokenizer_of(session)),
      words_(words) {
  std::vector<int64_t> special;
  for (int64_t id = 0; id < session.model().info().vocabulary_size; ++id)
    if (tokenizer_.is_special(id) || tokenizer_.token(id).empty()) special.push_back(id);
  special_ = torch::tensor(special);
  words_ = std::min(words, session.model().info().vocabulary_size - special_.numel());
}

data::EncodedSplit MaskFiller::encode(const std::vector<std::string>& lines, const std::string& input,
                                      size_t first_line) const {
  const std::string& mask = tokenizer_.options().mask;
  std::vector<text::TextPair> texts;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (count_of(mask, lines[i]) == 0)
      throw Error(fmt::format("{}:{}: has no {} to fill, got '{}'", input, first_line + i, mask, lines[i]));
    const size_t tab = session_.task.pairs ? lines[i].find('\t') : std::string::npos;
    texts.push_back({std::string_view(lines[i]).substr(0, tab), std::nullopt});
    if (session_.task.pairs)
      texts.back().b = tab == std::string::npos ? "" : std::string_view(lines[i]).substr(tab + 1);
  }
  data::EncodedSplit encoded;
  encoded.task = session_.task;
  const int64_t max_length = session_.experiment.data.max_length;
  encoded.texts = tokenizer_.encode_all(texts, max_length);
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto read = std::ranges::count(encoded.texts[i], *tokenizer_.mask_id());
    const size_t written = count_of(mask, lines[i]);
    if (static_cast<size_t>(read) == written) continue;
    throw Error(fmt::format("{}:{}: has {} {}, of which {} are among the {} tokens that are read (data.max_length)",
                            input, first_line + i, written, mask, read, max_length));
  }
  return encoded;
}

std::vector<Filling::Word> MaskFiller::best_words(const Tensor& logits) const {
  const Tensor probabilities = torch::softmax(logits.to(torch::kFloat64), 0).index_fill(0, special_, -1);
  const auto [values, ids] = probabilities.topk(words_);
  std::vector<Filling::Word> words;
  for (int64_t i = 0; i < words_; ++i)
    words.push_back({std::string(tokenizer_.token(ids[i].item<int64_t>())), values[i].item<double>()});
  return words;
}

std::string MaskFiller::filled(const std::string& line, const std::vector<std::vector<Filling::Word>>& masks) const {
  const std::string &mask = tokenizer_.options().mask, &prefix = tokenizer_.options().continuing_prefix;
  std::string text;
  size_t done = 0;
  for (const auto& words : masks) {
    const size_t at = line.find(mask, done);
    text += line.substr(done, at - done);
    std::string word = words.front().word;
    if (word.starts_with(prefix) && word.size() > prefix.size()) {  // goes on the word before it
      word.erase(0, prefix.size());
      text.erase(text.find_last_not_of(' ') + 1);
    }
    text += word;
    done = at + mask.size();
  }
  return text + line.substr(done);
}

std::vector<Filling> MaskFiller::fill(const std::vector<std::string>& lines, const std::string& input,
                                      size_t first_line) {
  torch::NoGradGuard no_grad;
  const data::EncodedSplit encoded = encode(lines, input, first_line);
  std::vector<Filling> fillings(lines.size());
  for (const auto& indices : data::evaluation_batches(encoded, session_.experiment.eval.batch_tokens)) {
    data::Batch batch = data::make_batch(encoded, indices);
    batch.input.read_rows = batch.input.ids.eq(*tokenizer_.mask_id()).nonzero().squeeze(1);
    const Tensor logits = session_.methods.guard("forward()", [&] { return session_.model().forward(batch.input); });
    const Tensor sequences = batch.input.layout.row_sequence().index_select(0, batch.input.read_rows);
    for (int64_t i = 0; i < logits.size(0); ++i) {
      const int64_t line = indices[static_cast<size_t>(sequences[i].item<int64_t>())];
      fillings[static_cast<size_t>(line)].masks.push_back(best_words(logits[i]));
    }
  }
  for (size_t i = 0; i < lines.size(); ++i)
    fillings[i].text = filled(lines[i], fillings[i].masks);
  return fillings;
}

std::string filling_json(const Filling& filling) {
  nlohmann::ordered_json masks = nlohmann::ordered_json::array();
  for (const auto& words : filling.masks) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Filling::Word& word : words)
      list.push_back({{"word", word.word}, {"probability", word.probability}});
    masks.push_back(std::move(list));
  }
  return nlohmann::ordered_json{{"text", filling.text}, {"masks", std::move(masks)}}.dump();
}

}  // namespace plugtune::app
