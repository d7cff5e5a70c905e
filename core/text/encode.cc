// encode.cc - one text, a pair, or many of them by several threads.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <thread>

#include "plugtune/error.h"
#include "text/piece_writer.h"
#include "text/tokenizer.h"

namespace plugtune::text {
namespace {

/// Bytes of text that a thread takes at a time: small enough to share the work evenly and to stay in the cache,
/// large enough that taking costs nothing.
constexpr size_t kChunkBytes = 64 * 1024;

/// @param example  "ratings.txt:17", or "" where there is only one
Error not_utf8(const std::string& example, const TextPair& texts, const char* at) {
  const auto holds = [at](std::string_view text) {
    return !std::less<>()(at, text.data()) && std::less<>()(at, text.data() + text.size());
  };
  const bool in_b = texts.b && !holds(texts.a);
  const std::string which = in_b ? "second text" : texts.b ? "first text" : "text";
  const std::string subject = example.empty() ? which : texts.b ? fmt::format("{}, {}", example, which) : example;
  return Error(fmt::format("{}: is not UTF-8 at byte {}, got 0x{:02X}; save the data as UTF-8", subject,
                           at - (in_b ? *texts.b : texts.a).data(), static_cast<uint8_t>(*at)));
}

void check_max_length(int64_t max_length, bool is_pair) {
  if (max_length >= (is_pair ? 3 : 2)) return;
  throw Error(is_pair
                  ? fmt::format("max_length: must be at least 3 for pairs ([CLS] A [SEP] B [SEP]), got {}", max_length)
                  : fmt::format("max_length: must be at least 2 ([CLS] and [SEP]), got {}", max_length));
}

}  // namespace

std::vector<uint8_t> Encoding::types() const {
  std::vector<uint8_t> types(ids.size(), 1);
  std::fill_n(types.begin(), first_length, uint8_t{0});
  return types;
}

Encoding Tokenizer::encode(std::string_view a, int64_t max_length) const { return encode(TextPair{a}, max_length); }

Encoding Tokenizer::encode(std::string_view a, std::string_view b, int64_t max_length) const {
  return encode(TextPair{a, b}, max_length);
}

Encoding Tokenizer::encode(const TextPair& texts, int64_t max_length) const {
  check_max_length(max_length, texts.b.has_value());
  Encoding encoding;
  encoding.ids.resize(room(texts));
  PieceWriter writer(pieces_, table_, options_.max_input_chars_per_word);
  try {
    const Written written = encode_into(texts, max_length, encoding.ids.data(), writer);
    encoding.ids.resize(static_cast<size_t>(written.length));
    encoding.first_length = static_cast<int32_t>(written.first_length);
    encoding.truncated = written.whole_length > written.length;
    encoding.words = written.words;
    encoding.unknown = written.unknown;
  } catch (const NotUtf8& problem) {
    throw not_utf8("", texts, problem.at);
  }
  return encoding;
}

/// The part of EncodedTexts that one thread makes at a time.
struct Tokenizer::Chunk {
  size_t first = 0, count = 0;  ///< examples
  std::vector<int32_t> ids, lengths, first_lengths;
  int64_t truncated = 0, longest = 0, words = 0, unknown = 0;
  std::exception_ptr error;
};

void Tokenizer::encode_chunk(std::span<const TextPair> texts, int64_t max_length, const NameOf& name_of,
                             Chunk& chunk) const try {
  texts = texts.subspan(chunk.first, chunk.count);
  size_t places = 0;
  for (const TextPair& pair : texts)
    places += room(pair);
  const auto ids = std::make_unique_for_overwrite<int32_t[]>(places);
  PieceWriter writer(pieces_, table_, options_.max_input_chars_per_word);
  chunk.lengths.reserve(texts.size());
  chunk.first_lengths.reserve(texts.size());

  int32_t* out = ids.get();
  for (const TextPair& pair : texts) {
    Written written{};
    try {
      written = encode_into(pair, max_length, out, writer);
    } catch (const NotUtf8& problem) {
      const size_t place = chunk.first + static_cast<size_t>(&pair - texts.data());
      throw not_utf8(name_of ? name_of(place) : fmt::format("example {}", place + 1), pair, problem.at);
    }
    out += written.length;
    chunk.lengths.push_back(static_cast<int32_t>(written.length));
    chunk.first_lengths.push_back(static_cast<int32_t>(written.first_length));
    chunk.truncated += written.whole_length > written.length;
    chunk.longest = std::max(chunk.longest, written.whole_length);
    chunk.words += written.words;
    chunk.unknown += written.unknown;
  }
  chunk.ids.assign(ids.get(), out);
} catch (...) {
  chunk.error = std::current_exception();
}

EncodedTexts Tokenizer::encode_all(std::span<const TextPair> texts, int64_t max_length, int threads,
                                   const NameOf& name_of) const {
  check_max_length(max_length,
                   std::any_of(texts.begin(), texts.end(), [](const TextPair& t) { return t.b.has_value(); }));
  std::vector<Chunk> chunks;
  size_t bytes = kChunkBytes;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (bytes >= kChunkBytes) {
      chunks.emplace_back().first = i;
      bytes = 0;
    }
    chunks.back().count += 1;
    bytes += room(texts[i]);
  }

  // Chunks are taken in order and none is left out before a bad one, so the first bad example is always the one reported.
  std::atomic<size_t> next = 0, first_bad = chunks.size();
  const auto work = [&] {
    for (size_t i = next++; i < first_bad; i = next++) {
      encode_chunk(texts, max_length, name_of, chunks[i]);
      for (size_t bad = first_bad; chunks[i].error && i < bad && !first_bad.compare_exchange_weak(bad, i);) {
      }
    }
  };
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  {
    std::vector<std::jthread> others(std::min(static_cast<size_t>(threads), std::max<size_t>(chunks.size(), 1)) - 1);
    for (std::jthread& thread : others)
      thread = std::jthread(work);
    work();
  }
  if (first_bad < chunks.size()) std::rethrow_exception(chunks[first_bad].error);
  return gather(chunks, texts.size());
}

/// The chunks one after another.
EncodedTexts Tokenizer::gather(const std::vector<Chunk>& chunks, size_t examples) {
  EncodedTexts all;
  size_t tokens = 0;
  for (const Chunk& chunk : chunks)
    tokens += chunk.ids.size();
  all.ids.reserve(tokens);
  all.first_lengths.reserve(examples);
  all.offsets.reserve(examples + 1);
  all.offsets.push_back(0);
  for (const Chunk& chunk : chunks) {
    all.ids.insert(all.ids.end(), chunk.ids.begin(), chunk.ids.end());
    all.first_lengths.insert(all.first_lengths.end(), chunk.first_lengths.begin(), chunk.first_lengths.end());
    for (const int32_t length : chunk.lengths)
      all.offsets.push_back(all.offsets.back() + length);
    all.truncated += chunk.truncated;
    all.longest = std::max(all.longest, chunk.longest);
    all.words += chunk.words;
    all.unknown += chunk.unknown;
  }
  return all;
}

}  // namespace plugtune::text
