// sentence_pairs_test.cc - which lines become pairs, how often the second is next, and that it is always the same.
#include "data/sentence_pairs.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "plugtune/error.h"
#include "unit/data/support.h"

namespace plugtune::testing {
namespace {

using data::SentencePairs;
using Ids = std::vector<int32_t>;

constexpr int32_t kSep = 3;

/// Words are the letters; each line of a document is of its own letters, so that a token tells where it is from.
const std::vector<std::string_view> kDocuments = {"a b\nc\nd e\n", "f g\n\nh\r\ni j k\nl",   "m\nn", "o",
                                                  "   \n",         "p q\nr s\nt u\nv w\nx y"};

SentencePairs pairs(int64_t max_length = 64, uint64_t seed = 42,
                    const std::vector<std::string_view>& documents = kDocuments) {
  return SentencePairs(documents, letters(), max_length, /*threads=*/1, seed, "train");
}

/// Letters of both texts: "abc|de".
std::string shown(const SentencePairs::Epoch& epoch, size_t i) {
  std::string text;
  for (const int32_t id : epoch.texts[i].subspan(1)) {
    if (id == kSep) {
      text += '|';
    } else {
      text += static_cast<char>('a' + id - 5);
    }
  }
  text.pop_back();
  return text;
}

TEST(SentencePairs, AreBertsSequences) {
  const SentencePairs::Epoch epoch = pairs().epoch(0);
  ASSERT_EQ(epoch.texts.size(), 4u) << "documents of several lines, each a run";
  ASSERT_EQ(epoch.labels.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    const auto ids = epoch.texts[i];
    EXPECT_EQ(ids.front(), 2);
    EXPECT_EQ(ids.back(), kSep);
    EXPECT_EQ(ids[static_cast<size_t>(epoch.texts.first_lengths[i]) - 1], kSep);
    EXPECT_EQ(std::ranges::count(ids, kSep), 2);
  }
  EXPECT_EQ(pairs().documents_of_one_line(), 1);
}

TEST(SentencePairs, HalfOfTheSecondTextsAreNextAndTheOthersOfAnotherDocument) {
  const std::map<char, int> document_of = [] {
    std::map<char, int> of;
    for (size_t d = 0; d < kDocuments.size(); ++d) {
      for (const char c : kDocuments[d])
        if (c >= 'a' && c <= 'z') of[c] = static_cast<int>(d);
    }
    return of;
  }();
  const SentencePairs all = pairs();
  int64_t next = 0, count = 0;
  std::set<std::string> seen;
  for (int64_t number = 0; number < 500; ++number) {
    const SentencePairs::Epoch epoch = all.epoch(number);
    for (size_t i = 0; i < epoch.texts.size(); ++i) {
      const std::string text = shown(epoch, i);
      seen.insert(text);
      const size_t bar = text.find('|');
      ASSERT_TRUE(bar > 0 && bar + 1 < text.size()) << text;
      const bool same = document_of.at(text[bar - 1]) == document_of.at(text[bar + 1]);
      EXPECT_EQ(same, epoch.labels[i] == 0) << text;
      if (same) {
        EXPECT_EQ(text[bar + 1], text[bar - 1] + 1) << text;
      }
      next += epoch.labels[i] == 0;
      ++count;
    }
  }
  EXPECT_NEAR(static_cast<double>(next) / static_cast<double>(count), 0.5, 0.04);
  for (const char* text : {"abc|de", "ab|cde", "m|n", "m|o", "abc|o", "pqrstuvw|xy"})
    EXPECT_TRUE(seen.contains(text)) << text;
}

TEST(SentencePairs, AreAFunctionOfSeedAndEpoch) {
  const auto same = [](const SentencePairs::Epoch& a, const SentencePairs::Epoch& b) {
    return a.texts.ids == b.texts.ids && a.labels == b.labels;
  };
  EXPECT_TRUE(same(pairs().epoch(3), pairs().epoch(3)));
  EXPECT_FALSE(same(pairs().epoch(3), pairs().epoch(4)));
  EXPECT_FALSE(same(pairs().epoch(3), pairs(64, 43).epoch(3)));
  EXPECT_TRUE(same(pairs().epoch(SentencePairs::kEvaluation), pairs(64, 43).epoch(SentencePairs::kEvaluation)));
}

TEST(SentencePairs, FillTheLengthAndLeaveNoLineOut) {
  // Room for four tokens: each run has at most four, or two lines; the last line alone takes the one before it along.
  const std::vector<std::string_view> documents = {"a b\nc d\ne\nf\ng", "h i j k l m\nn\no"};
  const SentencePairs all = pairs(/*max_length=*/7, 42, documents);
  std::set<char> first_documents;
  for (int64_t number = 0; number < 40; ++number) {
    const SentencePairs::Epoch epoch = all.epoch(number);
    ASSERT_EQ(epoch.texts.size(), 4u);
    for (size_t i = 0; i < epoch.texts.size(); ++i) {
      EXPECT_LE(epoch.texts[i].size(), 7u);
      const std::string text = shown(epoch, i);
      if (epoch.labels[i] == 0) first_documents.insert(text.begin(), text.end());
    }
    EXPECT_GT(epoch.texts.truncated, 0) << "six tokens in one line";
    // Six tokens, and one or, of the other document, two.
    EXPECT_THAT(epoch.texts.longest, ::testing::AnyOf(10, 11));
  }
  for (const char c : std::string("abcdefgn o"))
    EXPECT_TRUE(c == ' ' || first_documents.contains(c)) << c;
}

TEST(SentencePairs, NeedTwoDocumentsOfSeveralLines) {
  const auto message = [](const std::vector<std::string_view>& documents) {
    try {
      pairs(64, 42, documents);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string hint =
      "; of the text data set, data.unit = \"document\" makes documents, with blank lines between them";
  EXPECT_EQ(message({"a\nb"}),
            "task.next_sentence: needs two train documents or more, of several lines each, got 1 with 2 lines" + hint);
  EXPECT_EQ(message({"a", "b", "c"}),
            "task.next_sentence: needs two train documents or more, of several lines each, got 3 with 3 lines" + hint);
  EXPECT_EQ(message({"a\nb", "c"}), "");
}

TEST(SentencePairs, ReachTheBatches) {
  std::vector<Example> examples;
  for (const std::string_view document : kDocuments)
    examples.push_back(example(std::string(document)));
  const MemoryDataset dataset({TaskKind::kText, {}, false}, examples);
  const auto tokenizer = letters();
  data::EncodeOptions options;
  options.masking = std::make_shared<data::Masking>(tokenizer, data::MaskingOptions{});
  options.next_sentence = true;
  const data::EncodedSplit split = data::encode(dataset, Split::kTrain, tokenizer, options);
  EXPECT_EQ(split.size(), 4u);
  EXPECT_THAT(split.warnings,
              ::testing::Contains("train: 1 of 5 documents have one line: they are only ever a second text"));

  data::BatchSettings settings;
  settings.batch_size = 3;
  settings.micro_batch_tokens = 12;
  const data::BatchPlan plan(split, settings);
  for (const int64_t step : {0, 5, 1, 0}) {  // any step at any time
    const auto batches = plan.step(step);
    const SentencePairs::Epoch epoch = split.pairs->epoch(step / 2);
    int64_t sequences = 0, chosen = 0;
    for (const data::Batch& batch : batches) {
      sequences += batch.input.layout.sequences();
      chosen += batch.targets.size(0);
      for (size_t b = 0; b < batch.indices.size(); ++b) {
        const auto i = static_cast<size_t>(batch.indices[b]);
        EXPECT_EQ(batch.next_targets[static_cast<int64_t>(b)].item<int64_t>(), epoch.labels[i]);
        const int64_t begin = batch.input.layout.offset(static_cast<int64_t>(b));
        EXPECT_EQ(batch.input.layout.offset(static_cast<int64_t>(b) + 1) - begin,
                  static_cast<int64_t>(epoch.texts[i].size()));
        EXPECT_EQ(batch.input.types.slice(0, begin, begin + static_cast<int64_t>(epoch.texts[i].size()))
                      .eq(0)
                      .sum()
                      .item<int64_t>(),
                  epoch.texts.first_lengths[i]);
      }
    }
    for (const data::Batch& batch : batches) {
      EXPECT_EQ(batch.step_sequences, sequences);
      EXPECT_EQ(batch.step_examples, chosen);
    }
  }
  // Evaluation has pairs of its own.
  const data::Batch batch = data::make_batch(split, {0, 1, 2, 3});
  const SentencePairs::Epoch evaluation = split.pairs->epoch(SentencePairs::kEvaluation);
  EXPECT_TRUE(batch.next_targets.equal(torch::tensor(evaluation.labels)));
}

}  // namespace
}  // namespace plugtune::testing
