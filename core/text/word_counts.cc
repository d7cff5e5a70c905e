// word_counts.cc - splitting and counting words.
#include "text/word_counts.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include "plugtune/error.h"
#include "text/code_point_map.h"
#include "text/unicode.h"

namespace plugtune::text {
namespace {

/// Bytes that a thread takes at a time; a piece ends at the end of a line.
constexpr size_t kPieceBytes = size_t{1} << 18;

void append_utf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    out += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
            static_cast<char>(0x80 | (c & 0x3F))};
  } else {
    out += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
            static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
  }
}

/// Pieces of whole lines; a line that is longer than a piece stays whole.
std::vector<std::string_view> pieces_of(std::span<const std::string_view> texts) {
  std::vector<std::string_view> pieces;
  for (std::string_view rest : texts) {
    while (!rest.empty()) {
      const size_t line_end = rest.size() <= kPieceBytes ? std::string_view::npos : rest.find('\n', kPieceBytes);
      pieces.push_back(rest.substr(0, line_end == std::string_view::npos ? rest.size() : line_end + 1));
      rest.remove_prefix(pieces.back().size());
    }
  }
  return pieces;
}

void add(WordCounts& counts, std::string_view word, int64_t count) {
  const auto at = counts.find(word);
  if (at != counts.end()) {
    at->second += count;
  } else {
    counts.emplace(word, count);
  }
}

}  // namespace

/// What a character is by itself, asked of normalize() once for each. Nearly all characters mean the same wherever they stand.
class WordSplitter::Characters {
 public:
  enum Kind : uint32_t { kUnknown, kLetter, kAlone, kSpace, kDropped, kContextual };
  /// A kind, and above it the character that is written.
  using Entry = uint32_t;
  static constexpr uint32_t kKindBits = 3;
  static Kind kind(Entry entry) { return static_cast<Kind>(entry & ((1u << kKindBits) - 1)); }
  static char32_t letter(Entry entry) { return entry >> kKindBits; }

  Entry operator()(char32_t c, const NormalizerOptions& options) {
    Entry entry = entries_[c];
    if (kind(entry) == kUnknown) entries_.set(c, entry = look(c, options));
    return entry;
  }

 private:
  static Entry look(char32_t c, const NormalizerOptions& options) {
    std::u32string out = normalize({&c, 1}, options);
    if (out.empty()) return kDropped;
    const bool spaced = out.size() == 3 && out.front() == U' ' && out.back() == U' ';
    const char32_t letter = spaced ? out[1] : out[0];
    // Marks may change places with others, and several letters may be of several kinds.
    if ((out.size() != 1 && !spaced) || combining_class(letter) != 0) return kContextual;
    if (is_whitespace(letter)) return kSpace;
    return letter << kKindBits | (spaced || is_punctuation(letter) ? kAlone : kLetter);
  }

  CodePointMap entries_{kUnknown};
};

WordSplitter::WordSplitter(const NormalizerOptions& options)
    : options_(options),
      characters_(std::make_unique<Characters>()) {}
WordSplitter::~WordSplitter() = default;

void WordSplitter::begin() {
  bytes_.clear();
  ends_.clear();
}

void WordSplitter::end_word() {
  if (bytes_.size() > (ends_.empty() ? 0 : ends_.back())) ends_.push_back(bytes_.size());
}

/// False when a character's meaning depends on those beside it.
bool WordSplitter::split_plain(std::string_view text) {
  begin();
  for (const char *at = text.data(), *const end = at + text.size(); at != end;) {
    const char32_t c = decode_utf8(at, end);
    if (c == kNotUtf8) throw Error(fmt::format("text: is not UTF-8 at byte {}", at - text.data()));
    const Characters::Entry entry = (*characters_)(c, options_);
    switch (Characters::kind(entry)) {
      case Characters::kLetter:
        append_utf8(Characters::letter(entry), bytes_);
        break;
      case Characters::kAlone:
        end_word();
        append_utf8(Characters::letter(entry), bytes_);
        end_word();
        break;
      case Characters::kSpace:
        end_word();
        break;
      case Characters::kContextual:
        return false;
      default:
        break;
    }
  }
  end_word();
  return true;
}

void WordSplitter::split_normalized(std::string_view text) {
  begin();
  for (const char32_t c : normalize(to_utf32(text), options_)) {
    const bool alone = is_punctuation(c);
    if (alone || is_whitespace(c)) end_word();
    if (!is_whitespace(c)) append_utf8(c, bytes_);
    if (alone) end_word();
  }
  end_word();
}

const std::vector<std::string_view>& WordSplitter::split(std::string_view text) {
  if (!split_plain(text)) split_normalized(text);
  words_.clear();
  size_t first = 0;
  for (const size_t end : ends_) {
    words_.emplace_back(bytes_.data() + first, end - first);
    first = end;
  }
  return words_;
}

WordCounts count_words(std::span<const std::string_view> texts, const NormalizerOptions& options, int threads) {
  const std::vector<std::string_view> pieces = pieces_of(texts);
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const size_t workers = std::clamp<size_t>(pieces.size(), 1, static_cast<size_t>(threads));
  std::vector<WordCounts> counts(workers);
  std::vector<std::exception_ptr> errors(workers);
  std::atomic<size_t> next = 0;
  const auto work = [&](size_t worker) {
    try {
      WordSplitter splitter(options);
      for (size_t i = next++; i < pieces.size(); i = next++) {
        for (std::string_view rest = pieces[i];
             !rest.empty();) {  // line by line: what is contextual spoils one line alone
          const std::string_view line = rest.substr(0, rest.find('\n'));
          for (const std::string_view word : splitter.split(line))
            add(counts[worker], word, 1);
          rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        }
      }
    } catch (...) {
      errors[worker] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (size_t worker = 1; worker < workers; ++worker)
      others.emplace_back(work, worker);
    work(0);
  }
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  for (size_t worker = 1; worker < workers; ++worker) {
    for (const auto& [word, count] : counts[worker])
      add(counts[0], word, count);
  }
  return std::move(counts[0]);
}

}  // namespace plugtune::text
