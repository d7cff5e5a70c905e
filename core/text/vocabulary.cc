// vocabulary.cc - a hash table of byte slices, and vocab.txt.
#include "text/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cassert>

#include "plugtune/error.h"
#include "text/files.h"
#include "text/unicode.h"

namespace plugtune::text {
namespace {

/// FNV-1a over the bytes, mixed once more so that the low bits depend on all of them.
size_t hash(std::string_view token) {
  uint64_t h = 0xCBF29CE484222325;
  for (const char byte : token)
    h = (h ^ static_cast<uint8_t>(byte)) * 0x100000001B3;
  return static_cast<size_t>(h ^ h >> 32);
}

}  // namespace

Vocabulary::Vocabulary(const std::vector<std::string>& tokens) {
  size_t bytes = 0;
  for (const std::string& token : tokens)
    bytes += token.size();
  reserve(tokens.size(), bytes);
  for (size_t i = 0; i < tokens.size(); ++i)
    add(tokens[i], static_cast<int64_t>(i));
}

Vocabulary Vocabulary::load(const std::filesystem::path& file) {
  const std::string text = read_text_file(file);
  Vocabulary vocabulary;
  vocabulary.reserve(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1, text.size());
  int64_t line = 0;
  for (size_t begin = 0; begin < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (line > kMaxId)
      throw Error(fmt::format("{}: has more than {} lines; is it a vocabulary?", file.string(), kMaxId + 1));
    vocabulary.add(trimmed(std::string_view(text).substr(begin, end - begin)), line);
    begin = end + 1;
  }
  return vocabulary;
}

std::string_view Vocabulary::trimmed(std::string_view line) {
  while (!line.empty()) {
    size_t last = line.size() - 1;
    while (last > 0 && (static_cast<uint8_t>(line[last]) & 0xC0) == 0x80)
      --last;
    const char* at = line.data() + last;
    if (!is_whitespace(decode_utf8(at, line.data() + line.size()))) break;
    line.remove_suffix(line.size() - last);
  }
  return line;
}

void Vocabulary::reserve(size_t tokens, size_t bytes) {
  bytes_.reserve(bytes);
  entries_.reserve(tokens);
  by_id_.reserve(tokens);
  if (tokens * 2 > slots_.size()) rehash(std::bit_ceil(std::max<size_t>(tokens * 2, 16)));
}

void Vocabulary::add(std::string_view token, int64_t id) {
  assert(id >= 0 && id <= kMaxId);
  if (entries_.size() * 2 >= slots_.size()) rehash(std::max<size_t>(slots_.size() * 2, 16));
  if (static_cast<size_t>(id) >= by_id_.size()) by_id_.resize(static_cast<size_t>(id) + 1, kNone);
  uint32_t& at = slots_[slot(token)];
  if (at == kNone) {
    at = static_cast<uint32_t>(entries_.size());
    entries_.push_back({static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(token.size()), 0});
    bytes_ += token;
  } else if (by_id_[static_cast<size_t>(entries_[at].id)] == at) {
    by_id_[static_cast<size_t>(entries_[at].id)] = kNone;
  }
  entries_[at].id = static_cast<int32_t>(id);
  by_id_[static_cast<size_t>(id)] = at;
}

std::optional<int64_t> Vocabulary::id(std::string_view token) const {
  if (slots_.empty()) return std::nullopt;
  const uint32_t at = slots_[slot(token)];
  return at == kNone ? std::nullopt : std::optional<int64_t>(entries_[at].id);
}

bool Vocabulary::has(int64_t id) const noexcept {
  return id >= 0 && id < size() && by_id_[static_cast<size_t>(id)] != kNone;
}

std::string_view Vocabulary::token(int64_t id) const {
  return has(id) ? bytes(entries_[by_id_[static_cast<size_t>(id)]]) : std::string_view();
}

int64_t Vocabulary::size() const noexcept { return static_cast<int64_t>(by_id_.size()); }

/// Where `token` is, or would be put.
size_t Vocabulary::slot(std::string_view token) const {
  const size_t mask = slots_.size() - 1;
  size_t i = hash(token) & mask;
  while (slots_[i] != kNone && bytes(entries_[slots_[i]]) != token)
    i = (i + 1) & mask;
  return i;
}

void Vocabulary::rehash(size_t slots) {
  slots_.assign(slots, kNone);
  for (uint32_t i = 0; i < entries_.size(); ++i)
    slots_[slot(bytes(entries_[i]))] = i;
}

}  // namespace plugtune::text
