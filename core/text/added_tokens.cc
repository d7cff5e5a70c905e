// added_tokens.cc - finding added tokens in a text.
#include "text/added_tokens.h"

#include <cstring>

#include "text/unicode.h"

namespace plugtune::text {
namespace {

/// Where the character that ends at `end` begins; bytes that are not UTF-8 count as characters of their own.
size_t previous(std::string_view text, size_t end) {
  for (size_t begin = end - 1; end - begin <= 4; --begin) {
    const char* at = text.data() + begin;
    if (decode_utf8(at, text.data() + end) != kNotUtf8) return at == text.data() + end ? begin : end - 1;
    if (begin == 0) break;
  }
  return end - 1;
}

char32_t character(std::string_view text, size_t begin) {
  const char* at = text.data() + begin;
  return decode_utf8(at, text.data() + text.size());
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.content.size() > b.content.size(); });
  for (const AddedToken& token : tokens_)
    begins_token_[static_cast<uint8_t>(token.content[0])] = true;
  if (std::count(begins_token_.begin(), begins_token_.end(), true) == 1) {
    only_first_byte_ = static_cast<uint8_t>(tokens_[0].content[0]);
  }
}

const AddedToken* AddedTokens::find(std::string_view text, size_t& from) const {
  if (tokens_.empty()) return nullptr;
  for (;; ++from) {
    if (only_first_byte_ >= 0) {
      const void* next = std::memchr(text.data() + from, only_first_byte_, text.size() - from);
      if (next == nullptr) return nullptr;
      from = static_cast<size_t>(static_cast<const char*>(next) - text.data());
    } else {
      while (from < text.size() && !begins_token_[static_cast<uint8_t>(text[from])])
        ++from;
      if (from == text.size()) return nullptr;
    }
    const std::string_view rest = text.substr(from);
    for (const AddedToken& token : tokens_) {
      if (rest.starts_with(token.content)) return &token;
    }
  }
}

bool AddedTokens::touches_word(std::string_view text, size_t begin, size_t end) {
  return (begin > 0 && is_word_character(character(text, previous(text, begin)))) ||
         (end < text.size() && is_word_character(character(text, end)));
}

size_t AddedTokens::space_before(std::string_view text, size_t begin) {
  while (begin > 0) {
    const size_t last = previous(text, begin);
    if (!is_whitespace(character(text, last))) break;
    begin = last;
  }
  return begin;
}

size_t AddedTokens::space_after(std::string_view text, size_t end) {
  while (end < text.size()) {
    const char* at = text.data() + end;
    if (!is_whitespace(decode_utf8(at, text.data() + text.size()))) break;
    end = static_cast<size_t>(at - text.data());
  }
  return end;
}

}  // namespace plugtune::text
