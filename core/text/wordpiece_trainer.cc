// wordpiece_trainer.cc - merging pairs of pieces, the most frequent first.
//
// Words are rows of ids in one pool. Of each pair it is known how often it occurs and in which words it may stand; a
// merge visits these words alone. The queue may hold counts that have changed since: they are looked up when they come
// to the top. All of it is as tokenizers' models/bpe/trainer.rs, including that a merged pair keeps its count: should it
// arise again (the same token can be made in two ways), it is merged at once.
#include "text/wordpiece_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <queue>
#include <unordered_set>
#include <utility>

#include "plugtune/error.h"
#include "text/unicode.h"

namespace plugtune::text {
namespace {

using Id = uint32_t;

struct Pair {
  Id first, second;
  bool operator==(const Pair&) const = default;
  auto operator<=>(const Pair&) const = default;
};

struct PairHash {
  size_t operator()(const Pair& pair) const noexcept {
    uint64_t mixed = (uint64_t{pair.first} << 32 | pair.second) * 0x9E3779B97F4A7C15u;
    return mixed ^ mixed >> 32;
  }
};

/// The tokens there are, each once.
class Tokens {
 public:
  Id add(const std::string& token) {
    const auto [at, is_new] = ids_.try_emplace(token, static_cast<Id>(tokens_.size()));
    if (is_new) tokens_.push_back(token);
    return at->second;
  }
  const std::string& operator[](Id id) const { return tokens_[id]; }
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  std::vector<std::string> take() { return std::move(tokens_); }

 private:
  std::unordered_map<std::string, Id> ids_;
  std::vector<std::string> tokens_;
};

class Trainer {
 public:
  Trainer(const WordCounts& words, const WordPieceTraining& training) : training_(training) {
    choose_characters(words);
    read_words(words);
    count_pairs();
  }

  void merge_all() {
    while (tokens_.size() < training_.size && !queue_.empty()) {
      Entry top = queue_.top();
      queue_.pop();
      PairState& state = pairs_.at(top.pair);
      if (top.count != state.count) {  // it was counted before other merges
        top.count = state.count;
        queue_.push(top);
        continue;
      }
      if (top.count < std::max<int64_t>(training_.min_frequency, 1)) break;
      merge(top.pair, state);
    }
  }

  TrainedVocabulary finish() {
    result_.tokens = tokens_.take();
    return std::move(result_);
  }

 private:
  /// A word's pieces are ids_[begin, begin + length).
  struct Word {
    size_t begin;
    uint32_t length;
    int64_t count;
  };
  struct PairState {
    int64_t count = 0;
    std::vector<uint32_t> words{};  ///< in which it may stand; some may be named twice
    bool touched = false;           ///< by the merge that is going on
  };
  struct Entry {
    int64_t count;
    Pair pair;
    /// The most frequent on top, of equal ones the smaller ids.
    bool operator<(const Entry& other) const { return count != other.count ? count < other.count : other.pair < pair; }
  };

  static std::vector<std::pair<char32_t, int64_t>> count_characters(const WordCounts& words) {
    std::unordered_map<char32_t, int64_t> counts;
    for (const auto& [word, count] : words) {
      for (const char32_t c : to_utf32(word))
        counts[c] += count;
    }
    return {counts.begin(), counts.end()};
  }

  /// Special tokens and characters get the first ids, characters by code point.
  void choose_characters(const WordCounts& words) {
    auto characters = count_characters(words);
    result_.characters = static_cast<int64_t>(characters.size());
    const auto limit = static_cast<size_t>(training_.alphabet_limit);
    if (limit > 0 && characters.size() > limit) {
      std::ranges::sort(characters, [](const auto& a, const auto& b) {
        return a.second != b.second ? a.second > b.second : a.first < b.first;
      });
      characters.resize(limit);
    }
    result_.kept_characters = static_cast<int64_t>(characters.size());
    std::ranges::sort(characters);
    for (const std::string& token : training_.special_tokens)
      tokens_.add(token);
    for (const auto& [c, count] : characters)
      begins_.emplace(c, tokens_.add(to_utf8({&c, 1})));
  }

  /// Characters that continue some word, by code point too.
  void choose_continuing(const WordCounts& words) {
    std::unordered_set<char32_t> found;
    for (const auto& [word, count] : words) {
      const std::u32string characters = to_utf32(word);
      found.insert(characters.begin() + 1, characters.end());
    }
    std::vector<char32_t> continuing(found.begin(), found.end());
    std::erase_if(continuing, [&](char32_t c) { return !begins_.contains(c); });
    std::ranges::sort(continuing);
    for (const char32_t c : continuing)
      continues_.emplace(c, tokens_.add(training_.continuing_prefix + to_utf8({&c, 1})));
  }

  void read_words(const WordCounts& words) {
    choose_continuing(words);
    if (tokens_.size() > training_.size) {
      throw Error(
          fmt::format("size: must be at least {} for {} special tokens and {} characters, alone and behind {}, got {}",
                      tokens_.size(), training_.special_tokens.size(), result_.kept_characters,
                      training_.continuing_prefix, training_.size));
    }
    words_.reserve(words.size());
    for (const auto& [word, count] : words) {
      const std::u32string characters = to_utf32(word);
      const size_t begin = ids_.size();
      // A character that was not kept is left out, and its neighbours come together, as in the reference.
      for (size_t i = 0; i < characters.size(); ++i) {
        const auto& ids = i == 0 ? begins_ : continues_;
        const auto at = ids.find(characters[i]);
        if (at != ids.end()) ids_.push_back(at->second);
      }
      result_.words += count;
      if (ids_.size() - begin < characters.size()) result_.unknown_words += count;
      words_.push_back({begin, static_cast<uint32_t>(ids_.size() - begin), count});
    }
  }

  void count_pairs() {
    for (size_t w = 0; w < words_.size(); ++w) {
      const Word& word = words_[w];
      const Id* const ids = &ids_[word.begin];
      for (uint32_t i = 0; i + 1 < word.length; ++i)
        change({ids[i], ids[i + 1]}, word.count, static_cast<uint32_t>(w));
    }
    queue_touched();
  }

  /// A pair occurs more (or less) often in a word.
  void change(Pair pair, int64_t count, uint32_t word) {
    PairState& state = pairs_[pair];
    state.count += count;
    if (count < 0) return;
    if (state.words.empty() || state.words.back() != word) state.words.push_back(word);
    if (!state.touched) touched_.push_back(pair);
    state.touched = true;
  }

  void queue_touched() {
    for (const Pair& pair : touched_) {
      PairState& state = pairs_.at(pair);
      state.touched = false;
      if (state.count > 0) queue_.push({state.count, pair});
    }
    touched_.clear();
  }

  void merge(Pair pair, PairState& state) {
    const std::string& second = tokens_[pair.second];
    const bool continues = second.starts_with(training_.continuing_prefix);
    const Id merged =
        tokens_.add(tokens_[pair.first] + (continues ? second.substr(training_.continuing_prefix.size()) : second));
    // Taken out first: merging may put the pair into other words.
    const std::vector<uint32_t> words = std::exchange(state.words, {});
    for (const uint32_t w : words)
      merge_in(words_[w], w, pair, merged);
    queue_touched();
  }

  void merge_in(Word& word, uint32_t w, Pair pair, Id merged) {
    Id* const ids = &ids_[word.begin];
    uint32_t out = 0;
    for (uint32_t in = 0; in < word.length; ++out) {
      const bool is_pair = in + 1 < word.length && ids[in] == pair.first && ids[in + 1] == pair.second;
      if (!is_pair) {
        ids[out] = ids[in++];
        continue;
      }
      if (out > 0) {
        change({ids[out - 1], pair.first}, -word.count, w);
        change({ids[out - 1], merged}, word.count, w);
      }
      in += 2;
      ids[out] = merged;
      if (in < word.length) {
        change({pair.second, ids[in]}, -word.count, w);
        change({merged, ids[in]}, word.count, w);
      }
    }
    word.length = out;
  }

  const WordPieceTraining& training_;
  TrainedVocabulary result_;
  Tokens tokens_;
  std::unordered_map<char32_t, Id> begins_, continues_;
  std::vector<Id> ids_;
  std::vector<Word> words_;
  std::unordered_map<Pair, PairState, PairHash> pairs_;
  std::vector<Pair> touched_;
  std::priority_queue<Entry> queue_;
};

}  // namespace

TrainedVocabulary train_wordpiece(const WordCounts& words, const WordPieceTraining& training) {
  Trainer trainer(words, training);
  trainer.merge_all();
  return trainer.finish();
}

}  // namespace plugtune::text
