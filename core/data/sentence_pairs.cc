// sentence_pairs.cc - documents to runs of lines, and runs to pairs.
#include "data/sentence_pairs.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/draws.h"
#include "plugtune/blocks/text_file.h"
#include "plugtune/error.h"
#include "text/pair_cut.h"

namespace plugtune::data {
namespace {

constexpr int64_t kWhole = int64_t{1} << 30;  // tokens: no line is cut
constexpr uint32_t kPurpose = 0x6E657874;     // not the draws that mask the same example

}  // namespace

SentencePairs::SentencePairs(const std::vector<std::string_view>& documents, const text::Tokenizer& tokenizer,
                             int64_t max_length, int threads, uint64_t seed, const std::string& subject)
    : cls_(tokenizer.cls_id()),
      sep_(tokenizer.sep_id()),
      room_(static_cast<size_t>(max_length) - 3),
      seed_(seed) {
  std::vector<text::TextPair> lines;
  for (const std::string_view document : documents) {
    documents_.push_back(lines.size());
    LineReader reader(document);
    for (std::string_view line; reader.next(line);) {
      if (!is_blank(line)) lines.push_back({line});
    }
    if (documents_.back() == lines.size()) documents_.pop_back();
  }
  documents_.push_back(lines.size());
  const auto name_of = [&](size_t i) { return fmt::format("{} line {}", subject, i + 1); };
  lines_ = tokenizer.encode_all(lines, kWhole, threads, name_of);  // cut where they become pairs
  for (size_t document = 0; document + 1 < documents_.size(); ++document)
    cut_into_runs(document);
  if (documents_.size() < 3 || runs_.empty()) {
    throw Error(
        fmt::format("task.next_sentence: needs two {} documents or more, of several lines each, got {} with {} lines; "
                    "of the text data set, "
                    "data.unit = \"document\" makes documents, with blank lines between them",
                    subject, documents_.size() - 1, lines.size()));
  }
}

void SentencePairs::cut_into_runs(size_t document) {
  const size_t first = documents_[document], last = documents_[document + 1];
  if (last - first == 1) ++short_;
  if (last - first < 2) return;
  for (size_t begin = first; begin < last;) {
    size_t end = begin, tokens = 0;
    while (end < last && (end - begin < 2 || tokens + line(end).size() <= room_))
      tokens += line(end++).size();
    // A line that is left alone at the end takes the one before it along.
    runs_.push_back({document, end - begin < 2 ? begin - 1 : begin, end});
    begin = end;
  }
}

void SentencePairs::append(size_t begin, size_t end, std::vector<int32_t>& tokens) const {
  for (size_t i = begin; i < end; ++i)
    tokens.insert(tokens.end(), line(i).begin(), line(i).end());
}

SentencePairs::Epoch SentencePairs::epoch(int64_t number) const {
  Epoch epoch;
  text::EncodedTexts& texts = epoch.texts;
  texts.offsets.push_back(0);
  std::vector<int32_t> a, b;
  for (size_t i = 0; i < runs_.size(); ++i) {
    const Run& run = runs_[i];
    Draws draws(number == kEvaluation ? 0 : seed_, number, static_cast<int64_t>(i), {kPurpose});
    const size_t cut = run.begin + 1 + draws.below(run.end - run.begin - 1);
    size_t begin = cut, end = run.end;
    const bool is_next = draws.uniform() < 0.5;
    if (!is_next) {
      size_t other = draws.below(documents_.size() - 2);
      other += other >= run.document;
      begin = documents_[other] + draws.below(documents_[other + 1] - documents_[other]);
      end = std::min(begin + (run.end - cut), documents_[other + 1]);  // as many lines: length must not tell
    }
    a.clear();
    b.clear();
    append(run.begin, cut, a);
    append(begin, end, b);
    const size_t whole = a.size() + b.size();
    const auto [a_kept, b_kept] = text::cut_pair({std::ssize(a), std::ssize(b)}, static_cast<int64_t>(room_));
    a.resize(static_cast<size_t>(a_kept));
    b.resize(static_cast<size_t>(b_kept));
    texts.truncated += whole > room_;
    texts.longest = std::max(texts.longest, static_cast<int64_t>(whole) + 3);
    texts.ids.push_back(cls_);
    texts.ids.insert(texts.ids.end(), a.begin(), a.end());
    texts.ids.push_back(sep_);
    texts.ids.insert(texts.ids.end(), b.begin(), b.end());
    texts.ids.push_back(sep_);
    texts.first_lengths.push_back(static_cast<int32_t>(a.size()) + 2);
    texts.offsets.push_back(static_cast<int64_t>(texts.ids.size()));
    epoch.labels.push_back(is_next ? 0 : 1);
  }
  return epoch;
}

}  // namespace plugtune::data
