#pragma once
// added_tokens.h - tokens that are cut out of the text before it is split into words, "[SEP]" and the user's own.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plugtune::text {

/// One token as tokenizer.json and tokenizer_config.json describe it.
struct AddedToken {
  std::string content;
  int64_t id = 0;
  bool single_word = false;  ///< not next to a letter, digit or mark
  bool lstrip = false;       ///< takes the white space before it
  bool rstrip = false;       ///< takes the white space after it
  bool normalized = false;   ///< looked for in the normalised text, by its normalised content
  bool special = false;      ///< left alone when special_tokens_in_text is off
};

/// Finds tokens as the reference does: leftmost first, of those the longest, of equal ones the first given.
class AddedTokens {
 public:
  explicit AddedTokens(std::vector<AddedToken> tokens);
  bool empty() const { return tokens_.empty(); }

  /// Calls `on_text` for the text between tokens and `on_token` with the ids of the tokens, in order.
  /// `text` may be anything; tokens are only found where they are whole.
  template <class OnText, class OnToken>
  void split(std::string_view text, const OnText& on_text, const OnToken& on_token) const {
    size_t done = 0;
    for (size_t from = 0; from < text.size();) {
      const AddedToken* token = find(text, from);
      if (token == nullptr) break;
      size_t begin = from, end = from + token->content.size();
      from = end;
      if (token->single_word && touches_word(text, begin, end)) continue;
      if (token->lstrip) begin = std::max(space_before(text, begin), done);
      if (token->rstrip) end = space_after(text, end);
      if (done < begin) on_text(text.substr(done, begin - done));
      on_token(static_cast<int32_t>(token->id));
      done = end;
    }
    if (done < text.size()) on_text(text.substr(done));
  }

 private:
  /// The first token at or after `from`, which is moved to where it begins; null when there is none.
  const AddedToken* find(std::string_view text, size_t& from) const;
  static bool touches_word(std::string_view text, size_t begin, size_t end);
  static size_t space_before(std::string_view text, size_t begin);
  static size_t space_after(std::string_view text, size_t end);

  std::vector<AddedToken> tokens_;        ///< longest first
  std::array<bool, 256> begins_token_{};  ///< of each byte
  int only_first_byte_ = -1;              ///< when all tokens begin with the same, which they mostly do: '['
};

}  // namespace plugtune::text
