// encode.cc - reading, checking and encoding a split.
#include "data/encode.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <functional>
#include <map>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "formats/sha256.h"
#include "formats/wording.h"
#include "plugtune/blocks/text_file.h"
#include "plugtune/error.h"
#include "plugtune/example_source.h"

namespace plugtune::data {
namespace {

using formats::grouped;

constexpr size_t kManyExamples = 100;  // among so many a label that stands once is told

/// The rows of a split before they are encoded.
struct Rows {
  std::vector<Example> examples;
  std::vector<size_t> indices;  ///< of each example in the data set: some are left out
};

/// An example that repeats an earlier one's text with another label.
struct Conflict {
  size_t earlier = 0, later = 0;
};

const char* split_name(Split split) {
  return split == Split::kTrain ? "train" : split == Split::kValidation ? "validation" : "test";
}

std::string rows_text(int64_t count) { return grouped(count) + (count == 1 ? " row" : " rows"); }

std::string percent(int64_t part, int64_t whole) {
  return fmt::format("{:.1f} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

/// Calls work(begin, end) for equal parts of [0, size), a thread each, and throws what the first of them threw.
void in_parts(size_t size, int threads, const std::function<void(size_t, size_t)>& work) {
  constexpr size_t kWorthAThread = 4096;
  const size_t wanted = threads > 0 ? static_cast<size_t>(threads) : std::max(1u, std::thread::hardware_concurrency());
  const size_t parts = std::clamp<size_t>(size / kWorthAThread, 1, wanted);
  std::vector<std::exception_ptr> errors(parts);
  const auto run = [&](size_t part) {
    try {
      work(size * part / parts, size * (part + 1) / parts);
    } catch (...) {
      errors[part] = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  for (size_t part = 1; part < parts; ++part)
    others.emplace_back(run, part);
  run(0);
  for (std::thread& other : others)
    other.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

Rows read_rows(const Dataset& dataset, Split split, size_t count, int threads) {
  std::vector<Example> all(count);
  in_parts(count, threads, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i)
      all[i] = dataset.at(split, i);
  });
  Rows rows;
  rows.examples.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    if (split == Split::kTrain && is_blank(all[i].text_a) && is_blank(all[i].text_b)) continue;
    rows.examples.push_back(std::move(all[i]));
    rows.indices.push_back(i);
  }
  return rows;
}

std::vector<uint64_t> hash_texts(const std::vector<Example>& examples, int threads) {
  std::vector<uint64_t> hashes(examples.size());
  in_parts(examples.size(), threads, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const uint64_t second = std::hash<std::string>()(examples[i].text_b);
      hashes[i] = std::hash<std::string>()(examples[i].text_a) ^ (second * 0x9E3779B97F4A7C15u + (second >> 29));
    }
  });
  return hashes;
}

/// Counts texts that stood earlier, and those of them with another label, and returns the first of these.
Conflict count_repeats(const std::vector<Example>& examples, EncodedSplit& encoded) {
  std::unordered_map<uint64_t, size_t> first_with;
  first_with.reserve(examples.size());
  Conflict conflict;
  for (size_t i = 0; i < examples.size(); ++i) {
    if (is_blank(examples[i].text_a) && is_blank(examples[i].text_b)) continue;  // counted as empty
    const auto [earlier, is_new] = first_with.try_emplace(encoded.text_hashes[i], i);
    if (is_new) continue;
    ++encoded.duplicates;
    if (encoded.task.kind == TaskKind::kText) continue;
    const Example& other = examples[earlier->second];
    if (other.label == examples[i].label && other.value == examples[i].value) continue;
    if (encoded.conflicting++ == 0) conflict = {earlier->second, i};
  }
  return conflict;
}

/// Where an example stands: in its file when the data set says so, else by its number.
std::string place(const Dataset& dataset, Split split, size_t index) {
  const auto* source = dynamic_cast<const ExampleSource*>(&dataset);
  return source != nullptr ? source->place(split, index) : fmt::format("{} example {}", split_name(split), index + 1);
}

void warn_of_rows(const Dataset& dataset, const Rows& rows, const Conflict& conflict, EncodedSplit& encoded) {
  const Split split = encoded.split;
  const auto warn = [&](const std::string& text) {
    encoded.warnings.push_back(fmt::format("{}: {}", split_name(split), text));
  };
  if (encoded.empty > 0) {
    warn(rows_text(encoded.empty) + " without text" + (split == Split::kTrain ? ", kept out of training" : ""));
  }
  const char* repeated = encoded.task.pairs ? "a pair of texts that stood earlier" : "a text that stood earlier";
  if (encoded.duplicates > 0) warn(fmt::format("{} with {}", rows_text(encoded.duplicates), repeated));
  if (encoded.conflicting > 0) {
    const TaskKind kind = encoded.task.kind;
    const char* other = kind == TaskKind::kRegression   ? "another score"
                        : kind == TaskKind::kMultiLabel ? "other labels"
                                                        : "another label";
    warn(fmt::format("{} with {} with {}, first {} and {}", rows_text(encoded.conflicting), repeated, other,
                     place(dataset, split, rows.indices[conflict.earlier]),
                     place(dataset, split, rows.indices[conflict.later])));
  }
}

std::string without_capitals(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return text;
}

/// Slips of spelling, which become labels of their own.
void warn_of_labels(const std::vector<Example>& examples, EncodedSplit& encoded) {
  if (encoded.split != Split::kTrain || encoded.task.kind != TaskKind::kClassification) return;
  const std::vector<std::string>& labels = encoded.task.labels;
  std::vector<int64_t> counts(labels.size());
  for (const Example& example : examples)
    if (example.label >= 0 && example.label < std::ssize(counts)) ++counts[static_cast<size_t>(example.label)];
  std::map<std::string, std::string> seen;  // without capitals: the first label that is spelt so
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto [first, is_new] = seen.emplace(without_capitals(labels[i]), labels[i]);
    if (!is_new)
      encoded.warnings.push_back(
          fmt::format("train: labels '{}' and '{}' differ in capitals alone", first->second, labels[i]));
    if (counts[i] == 1 && examples.size() >= kManyExamples)
      encoded.warnings.push_back(fmt::format("train: one row alone has the label '{}'", labels[i]));
  }
}

void warn_of_texts(int64_t max_length, EncodedSplit& encoded) {
  const char* name = split_name(encoded.split);
  const text::EncodedTexts& texts = encoded.texts;
  if (texts.truncated > 0) {
    encoded.warnings.push_back(
        fmt::format("{}: {} ({}) longer than data.max_length = {} tokens, cut; the longest has {}", name,
                    rows_text(texts.truncated), percent(texts.truncated, static_cast<int64_t>(texts.size())),
                    max_length, grouped(texts.longest)));
  }
  if (texts.unknown * 20 > texts.words) {
    encoded.warnings.push_back(
        fmt::format("{}: {} of the words are unknown to the vocabulary; is it the right model? Decomposed Hangul needs "
                    "data.normalize = \"nfc\"",
                    name, percent(texts.unknown, texts.words)));
  }
}

/// The lines of the documents become pairs, those of an evaluation.
void pair_up(const std::vector<Example>& documents, const text::Tokenizer& tokenizer, const EncodeOptions& options,
             EncodedSplit& encoded) {
  std::vector<std::string_view> texts;
  for (const Example& document : documents)
    texts.push_back(document.text_a);
  encoded.pairs = std::make_shared<SentencePairs>(texts, tokenizer, options.max_length, options.threads, options.seed,
                                                  split_name(encoded.split));
  SentencePairs::Epoch epoch = encoded.pairs->epoch(SentencePairs::kEvaluation);
  encoded.texts = std::move(epoch.texts);
  encoded.labels = std::move(epoch.labels);
  encoded.texts.words = encoded.pairs->words();
  encoded.texts.unknown = encoded.pairs->unknown_words();
  if (const int64_t alone = encoded.pairs->documents_of_one_line(); alone > 0) {
    encoded.warnings.push_back(fmt::format("{}: {} of {} documents have one line: they are only ever a second text",
                                           split_name(encoded.split), grouped(alone), grouped(documents.size())));
  }
  warn_of_texts(options.max_length, encoded);
}

}  // namespace

EncodedSplit encode(const Dataset& dataset, Split split, const text::Tokenizer& tokenizer,
                    const EncodeOptions& options) {
  if (split == Split::kTrain) {
    const std::string problem = limit_problem(dataset, options.limit);
    if (!problem.empty()) throw Error("data.train_limit: " + problem);
  }
  EncodedSplit encoded;
  encoded.split = split;
  encoded.task = dataset.task();
  encoded.masking = options.masking;
  if (options.masking) encoded.task = {TaskKind::kText, {}, encoded.task.pairs};
  size_t wanted = dataset.size(split);
  if (options.limit > 0) wanted = std::min(wanted, static_cast<size_t>(options.limit));
  const Rows rows = read_rows(dataset, split, wanted, options.threads);
  const std::vector<Example>& examples = rows.examples;
  if (split == Split::kTrain && examples.empty()) {
    const std::string of = options.source.empty() ? "" : " of " + options.source;
    throw Error(fmt::format("data: the training split{} has no example with a text", of));
  }

  const auto* source = dynamic_cast<const ExampleSource*>(&dataset);
  encoded.empty = static_cast<int64_t>(wanted - examples.size() + (source != nullptr ? source->left_out(split) : 0));
  encoded.empty += std::count_if(examples.begin(), examples.end(), [](const Example& example) {
    return is_blank(example.text_a) && is_blank(example.text_b);
  });
  encoded.text_hashes = hash_texts(examples, options.threads);
  warn_of_rows(dataset, rows, count_repeats(examples, encoded), encoded);
  warn_of_labels(examples, encoded);

  if (options.masking && options.next_sentence) {
    pair_up(examples, tokenizer, options, encoded);
    return encoded;
  }
  std::vector<text::TextPair> texts;
  texts.reserve(examples.size());
  for (const Example& example : examples) {
    texts.push_back(
        {example.text_a, encoded.task.pairs ? std::optional<std::string_view>(example.text_b) : std::nullopt});
    if (const std::string problem = answer_problem(example, encoded.task); !problem.empty()) {
      throw Error(fmt::format("{}: {} has {}", options.source.empty() ? "data" : options.source,
                              place(dataset, split, rows.indices[texts.size() - 1]), problem));
    }
    if (encoded.task.kind == TaskKind::kRegression) {
      encoded.values.push_back(example.value);
    } else {
      encoded.labels.push_back(example.label);
    }
  }
  encoded.texts = tokenizer.encode_all(texts, options.max_length, options.threads,
                                       [&](size_t i) { return place(dataset, split, rows.indices[i]); });
  warn_of_texts(options.max_length, encoded);
  return encoded;
}

std::string answer_problem(const Example& example, const Task& task) {
  const auto labels = std::ssize(task.labels);
  switch (task.kind) {
    case TaskKind::kRegression:
      if (std::isnan(example.value)) return "no score";
      return std::isfinite(static_cast<float>(example.value))
                 ? ""
                 : fmt::format("the score {:g}, which is no number that a float can hold", example.value);
    case TaskKind::kClassification:
      if (example.label >= 0 && example.label < labels) return "";
      return example.label == -1 ? "no label" : fmt::format("label {}, must be 0 to {}", example.label, labels - 1);
    case TaskKind::kMultiLabel:
      if (example.label >= 0 && (labels >= 63 || example.label >> labels == 0)) return "";
      return example.label == -1 ? "no labels"
                                 : fmt::format("label bits {:#x}, more than the {} labels", example.label, labels);
    case TaskKind::kText:
      return "";
  }
  return "";
}

std::string limit_problem(const Dataset& dataset, int64_t limit) {
  const size_t available = dataset.size(Split::kTrain);
  if (limit == 0 || (limit > 0 && static_cast<size_t>(limit) <= available)) return "";
  const auto* source = dynamic_cast<const ExampleSource*>(&dataset);
  const std::string where = source != nullptr ? "the examples in " + source->file_name(Split::kTrain) : "all examples";
  return fmt::format("must be between 1 and {} ({}), got {}", grouped(available), where, grouped(limit));
}

std::string texts_name(const EncodedSplit& split) {
  formats::Sha256 hash;
  hash.update(split.texts.ids.data(), split.texts.ids.size() * sizeof(split.texts.ids[0]));
  hash.update(split.texts.offsets.data(), split.texts.offsets.size() * sizeof(split.texts.offsets[0]));
  return formats::hex(hash.finish());
}

std::string shared_texts_warning(const EncodedSplit& train, const EncodedSplit& other) {
  const std::unordered_set<uint64_t> known(train.text_hashes.begin(), train.text_hashes.end());
  const auto shared = std::count_if(other.text_hashes.begin(), other.text_hashes.end(),
                                    [&](uint64_t hash) { return known.count(hash) != 0; });
  if (shared == 0) return "";
  return fmt::format("{}: {} of {} texts are in {} too; its metrics look better by them than they are",
                     split_name(other.split), grouped(shared), grouped(other.text_hashes.size()),
                     split_name(train.split));
}

}  // namespace plugtune::data
