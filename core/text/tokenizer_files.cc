// tokenizer_files.cc - a tokenizer out of a model directory, and back.
//
// tokenizer.json, where there is one, decides. Without it, vocab.txt and what tokenizer_config.json (or the files that
// older libraries wrote: special_tokens_map.json, added_tokens.json) says.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "plugtune/error.h"
#include "text/files.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

namespace plugtune::text {
namespace {

namespace fs = std::filesystem;

/// A JSON object of the directory; empty when there is no such file.
Json optional_object(const fs::path& file) { return fs::exists(file) ? read_json_object(file) : Json::object(); }

Error no_vocabulary(const fs::path& dir) {
  // What other tokenizers keep their vocabulary in: if one is there, the model is not for us.
  for (const char* other : {"spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "merges.txt"}) {
    if (fs::exists(dir / other)) {
      return Error(fmt::format("{}: expected a BERT WordPiece tokenizer, got one with {}", dir.string(), other));
    }
  }
  return Error(
      fmt::format("{}: has no vocabulary. Looked for\n  tokenizer.json    not there\n  vocab.txt         not there\n"
                  "copy one of them from the directory of the model that was pretrained",
                  dir.string()));
}

/// A token that is added later replaces an earlier one of the same id or text.
void add(std::vector<AddedToken>& tokens, AddedToken token) {
  std::erase_if(tokens, [&](const AddedToken& old) { return old.id == token.id || old.content == token.content; });
  tokens.push_back(std::move(token));
}

/// "additional_special_tokens" or "extra_special_tokens".
std::vector<std::string> extra_special(const JsonFields& fields) {
  std::vector<std::string> contents;
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    for (const Json& entry : fields.value(key)) {
      const Json& content = entry.is_object() && entry.contains("content") ? entry["content"] : entry;
      if (content.is_string()) contents.push_back(content.get<std::string>());
    }
  }
  return contents;
}

/// Those that have an id. The others have no row in the model.
void add_extra_special(const JsonFields& fields, const Vocabulary& vocabulary, std::vector<AddedToken>& tokens) {
  for (const std::string& content : extra_special(fields))
    if (const auto id = vocabulary.id(content)) add(tokens, {.content = content, .id = *id, .special = true});
}

void read_names(const JsonFields& fields, bool all, TokenizerOptions& options) {
  if (all) {
    options.cls = fields.token("cls_token", options.cls);
    options.sep = fields.token("sep_token", options.sep);
  }
  options.pad = fields.token("pad_token", options.pad);
  options.mask = fields.token("mask_token", options.mask);
}

/// added_tokens.json of older libraries, which tokenizer.json goes before. A token that has a name (cls_token, ...) or is listed as
/// special is special.
void read_old_added_tokens(const fs::path& file, bool has_json, std::set<std::string> special,
                           TokenizerOptions& options) {
  for (const std::string& name : {options.unk, options.cls, options.sep, options.pad, options.mask})
    special.insert(name);
  const Json added = optional_object(file);
  for (const auto& [content, id] : added.items()) {
    if (!id.is_number_integer() || id.get<double>() < 0 || id.get<double>() > static_cast<double>(Vocabulary::kMaxId)) {
      throw Error(fmt::format("{}: {}: must be a whole number of 0 to {}, got {}", file.string(), content,
                              Vocabulary::kMaxId, id.dump()));
    }
    const auto is_it = [&content = content, number = id.get<int64_t>()](const AddedToken& token) {
      return token.content == content || token.id == number;
    };
    if (has_json && std::ranges::any_of(options.added_tokens, is_it)) continue;
    const bool is_special = special.contains(content);
    add(options.added_tokens,
        {.content = content, .id = id.get<int64_t>(), .normalized = !is_special, .special = is_special});
  }
}

/// Added tokens as transformers collects them: tokenizer_config.json, or else what older libraries wrote beside it.
void read_added_tokens(const fs::path& dir, const JsonFields& config, const JsonFields& names,
                       const Vocabulary& vocabulary, TokenizerOptions& options) {
  const Json& listed = config.value("added_tokens_decoder");
  for (const auto& [id, token] : listed.items()) {
    const std::string where = fmt::format("{}: added_tokens_decoder: {}", config.where(), id);
    if (id.empty() || id.size() > 8 || id.find_first_not_of("0123456789") != std::string::npos) {
      throw Error(fmt::format("{}: the key must be an id, got '{}'", where, id));
    }
    add(options.added_tokens, read_added_token(token, where, std::stoll(id)));
  }
  if (listed.is_null()) {
    std::set<std::string> special;
    for (const JsonFields* fields : {&config, &names})
      for (std::string& content : extra_special(*fields))
        special.insert(std::move(content));
    read_old_added_tokens(dir / "added_tokens.json", fs::exists(dir / "tokenizer.json"), std::move(special), options);
  }
  add_extra_special(config, vocabulary, options.added_tokens);
}

/// True when a line of vocab.txt can be this token. A line break in it would move all later tokens to other ids, and white
/// space at its end is trimmed when the file is read.
bool is_one_line(std::string_view token) {
  if (token.find('\n') != std::string_view::npos) return false;
  return Vocabulary::trimmed(token) == token;
}

/// The class that transformers makes of a directory, without "Fast"; "" when no file says it.
std::string tokenizer_class(const fs::path& dir, const JsonFields& config) {
  std::string name = config.string("tokenizer_class", "");
  if (name.empty()) {
    const fs::path file = dir / "config.json";
    const Json model = optional_object(file);
    name = JsonFields(model, file.string()).string("tokenizer_class", "");
  }
  return name.ends_with("Fast") ? name.substr(0, name.size() - 4) : name;
}

/// Throws Error where vocab.txt is another tokenizer's: words of MeCab, pieces of SentencePiece, single characters.
void check_is_wordpiece(const fs::path& dir, const std::string& name) {
  constexpr std::array kWordPiece = {"",
                                     "BertTokenizer",
                                     "PreTrainedTokenizer",
                                     "TokenizersBackend",
                                     "DistilBertTokenizer",
                                     "ElectraTokenizer",
                                     "MobileBertTokenizer",
                                     "ConvBertTokenizer",
                                     "SqueezeBertTokenizer",
                                     "LayoutLMTokenizer",
                                     "LxmertTokenizer"};
  if (std::ranges::find(kWordPiece, name) != kWordPiece.end()) return;
  throw Error(fmt::format("{}: expected a BERT WordPiece tokenizer, got one of class '{}'", dir.string(), name));
}

/// One sentence for each option that tokenizer_config.json says otherwise, or does not say where a BertTokenizer's default is another.
std::vector<std::string> disagreements(const fs::path& dir, const JsonFields& config, const TokenizerOptions& options) {
  const std::string name_of_class = tokenizer_class(dir, config);
  const bool has_defaults = name_of_class.empty() || name_of_class == "BertTokenizer";
  std::vector<std::string> notes;
  const auto compare = [&](const char* key, const char* name, bool used, bool by_default) {
    const std::optional<bool> other = config.boolean_or_null(key);
    if (other.value_or(has_defaults ? by_default : used) == used) return;
    const std::string there = other ? fmt::format("has {} = {}", key, *other)
                                    : fmt::format("does not say {}, for which transformers takes {}", key, by_default);
    notes.push_back(
        fmt::format("{}: tokenizer.json has {} = {}, tokenizer_config.json {}; tokenizer.json is used, transformers "
                    "uses the other: make them agree",
                    dir.string(), name, used, there));
  };
  const bool lowers_there = config.boolean("do_lower_case", true);
  compare("do_lower_case", "lowercase", options.lowercase, true);
  const bool is_said = options.strip_accents || config.boolean_or_null("strip_accents");  // else it follows lowercase
  if (is_said)
    compare("strip_accents", "strip_accents", options.strip_accents.value_or(options.lowercase), lowers_there);
  compare("tokenize_chinese_chars", "handle_chinese_chars", options.tokenize_chinese_chars, true);
  return notes;
}

}  // namespace

Tokenizer Tokenizer::load(const fs::path& model_dir, TextOptions text) {
  if (!fs::is_directory(model_dir)) {
    throw Error(
        fmt::format("{}: is not a directory (working directory {})", model_dir.string(), fs::current_path().string()));
  }
  const fs::path json_file = model_dir / "tokenizer.json", vocabulary_file = model_dir / "vocab.txt";
  const fs::path config_file = model_dir / "tokenizer_config.json";
  const Json config_json = optional_object(config_file),
             names_json = optional_object(model_dir / "special_tokens_map.json");
  const JsonFields config(config_json, config_file.string());
  const JsonFields names(names_json, (model_dir / "special_tokens_map.json").string());
  // special_tokens_map.json goes before tokenizer_config.json, but counts only where that does not list the added tokens.
  const bool is_old = config.value("added_tokens_decoder").is_null();
  std::vector<std::string> notes;
  fs::path source = json_file;
  TokenizerJson found;
  TokenizerOptions& options = found.options;
  if (fs::exists(json_file)) {
    found = read_tokenizer_json(json_file);
    notes = disagreements(model_dir, config, options);
  } else if (fs::exists(vocabulary_file)) {
    check_is_wordpiece(model_dir, tokenizer_class(model_dir, config));
    source = vocabulary_file;
    found.vocabulary = Vocabulary::load(vocabulary_file);
    options.lowercase = config.boolean("do_lower_case", true);
    options.strip_accents = config.boolean_or_null("strip_accents");
    options.tokenize_chinese_chars = config.boolean("tokenize_chinese_chars", true);
    options.unk = config.token("unk_token", options.unk);
    if (is_old) options.unk = names.token("unk_token", options.unk);
  } else {
    throw no_vocabulary(model_dir);
  }
  read_names(config, !found.has_template, options);
  if (is_old) {
    read_names(names, !found.has_template, options);
    add_extra_special(names, found.vocabulary, options.added_tokens);
  }
  read_added_tokens(model_dir, config, names, found.vocabulary, options);

  Tokenizer tokenizer(std::move(found.vocabulary), std::move(options), text, source.string());
  tokenizer.notes_ = std::move(notes);
  tokenizer.config_ = config_json.dump();
  return tokenizer;
}

void Tokenizer::save(const fs::path& model_dir) const {
  Json config = config_.empty() ? Json::object() : Json::parse(config_);
  config["tokenizer_class"] = "BertTokenizer";
  config["do_lower_case"] = options_.lowercase;
  config["strip_accents"] = options_.strip_accents ? Json(*options_.strip_accents) : Json();
  config["tokenize_chinese_chars"] = options_.tokenize_chinese_chars;
  config["unk_token"] = options_.unk;
  config["cls_token"] = options_.cls;
  config["sep_token"] = options_.sep;
  config["pad_token"] = options_.pad;
  config["mask_token"] = options_.mask;
  write_text_file(model_dir / "tokenizer_config.json", config.dump(2) + "\n");
  write_text_file(model_dir / "tokenizer.json", tokenizer_json_text(*this));

  std::string lines;
  for (int64_t id = 0; id < vocabulary_.size(); ++id) {
    if (!vocabulary_.has(id)) return;  // a line would have to be made up
    if (!is_one_line(vocabulary_.token(id))) return;
    lines += vocabulary_.token(id);
    lines += '\n';
  }
  write_text_file(model_dir / "vocab.txt", lines);
}

bool Tokenizer::is_special(int64_t id) const {
  return std::any_of(added_.begin(), added_.end(), [id](const AddedToken& t) { return t.special && t.id == id; });
}

std::string_view Tokenizer::token(int64_t id) const {
  for (const AddedToken& token : added_) {
    if (token.id == id) return token.content;
  }
  return vocabulary_.token(id);
}

int64_t Tokenizer::size() const {
  int64_t size = vocabulary_.size();
  for (const AddedToken& token : added_)
    size = std::max(size, token.id + 1);
  return size;
}

}  // namespace plugtune::text
