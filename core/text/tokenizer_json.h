#pragma once
// tokenizer_json.h - tokenizer.json, the file of Hugging Face's tokenizers library: reading and writing BERT's kind.

#include <filesystem>
#include <optional>
#include <string>

#include "text/json_fields.h"
#include "text/tokenizer.h"

namespace plugtune::text {

struct TokenizerJson {
  Vocabulary vocabulary;
  TokenizerOptions options;   ///< pad and mask are not in the file
  bool has_template = false;  ///< the file says which tokens are cls and sep
};

/// Throws Error when the file is damaged, or is not a BERT WordPiece tokenizer: then it says what it is.
TokenizerJson read_tokenizer_json(const std::filesystem::path& file);

/// One entry of "added_tokens" or "added_tokens_decoder"; `id` where the entry does not hold it.
AddedToken read_added_token(const Json& json, const std::string& where, std::optional<int64_t> id = std::nullopt);

/// The file's text for a tokenizer; read back, it gives the same one.
std::string tokenizer_json_text(const Tokenizer& tokenizer);

}  // namespace plugtune::text
