// tokenizer_json.cc - tokenizer.json: what a BERT tokenizer may say is understood, all else is refused by name.
#include "text/tokenizer_json.h"

#include <fmt/format.h>

#include <array>

#include "plugtune/error.h"
#include "text/files.h"

namespace plugtune::text {
namespace {

/// What a component calls itself: 'BPE', or none.
std::string type_name(const Json& component) {
  if (component.is_null()) return "none";
  const auto type = component.is_object() ? component.find("type") : component.end();
  return type != component.end() && type->is_string() ? fmt::format("'{}'", type->get<std::string>()) : "without type";
}

bool is_type(const Json& component, const char* name) { return type_name(component) == fmt::format("'{}'", name); }

/// A sequence of one is that one: some converters write it so.
const Json& only_of(const Json& component, const char* list) {
  const auto parts = component.is_object() ? component.find(list) : component.end();
  return parts != component.end() && parts->is_array() && parts->size() == 1 ? (*parts)[0] : component;
}

/// Reads the file without its vocabulary, which goes straight into `vocabulary`: as JSON values, a hundred thousand
/// tokens would be most of the time that loading a tokenizer takes.
Json parse(const std::filesystem::path& file, const std::string& text, Vocabulary& vocabulary) {
  vocabulary.reserve(text.size() / 24, text.size() / 2);  // about what an entry takes, so that it grows once or never
  std::array<std::string, 2> path;                        // keys that lead to the current value
  std::string token;
  JsonRules rules(file);
  const auto take = [&](int depth, Json::parse_event_t event, Json& parsed) {
    const bool in_vocabulary = depth == 3 && path[0] == "model" && path[1] == "vocab";
    if (!in_vocabulary || event != Json::parse_event_t::key) rules.check(depth, event, parsed);
    if (event == Json::parse_event_t::key) {
      if (in_vocabulary) token.swap(parsed.get_ref<std::string&>());
      if (depth <= 2) path[static_cast<size_t>(depth) - 1].swap(parsed.get_ref<std::string&>());
      return !in_vocabulary;
    }
    if (event != Json::parse_event_t::value || !in_vocabulary) return true;
    if (!parsed.is_number_unsigned() || parsed.get<uint64_t>() > Vocabulary::kMaxId) {
      throw Error(fmt::format("{}: model.vocab: the id of '{}' must be an integer between 0 and {}, got {}",
                              file.string(), token, Vocabulary::kMaxId, parsed.dump()));
    }
    const auto id = parsed.get<int64_t>();
    if (vocabulary.has(id) && vocabulary.token(id) != token)
      throw Error(fmt::format("{}: model.vocab: '{}' and '{}' have the same id, {}", file.string(),
                              vocabulary.token(id), token, id));
    const size_t before = vocabulary.tokens();
    vocabulary.add(token, id);
    if (vocabulary.tokens() == before) throw rules.twice(token);
    return false;
  };
  try {
    return Json::parse(text, take);
  } catch (const Json::parse_error& error) {
    refuse_damaged_json(file, text, error.byte);
  } catch (const Json::out_of_range&) {
    refuse_huge_number(file);
  }
}

void refuse_other_kinds(const JsonFields& fields, const Json& normalizer, const Json& splitter) {
  const Json &model = fields.value("model"), &processor = fields.value("post_processor");
  // The model of old files has no type, but no other kind has this key.
  const bool is_wordpiece = is_type(model, "WordPiece") || (model.is_object() && !model.contains("type") &&
                                                            model.contains("max_input_chars_per_word"));
  std::vector<std::string> others;
  if (!is_wordpiece) others.push_back("model " + type_name(model));
  if (!normalizer.is_null() && !is_type(normalizer, "BertNormalizer")) {
    others.push_back("normalizer " + type_name(normalizer));
  }
  if (!is_type(splitter, "BertPreTokenizer")) others.push_back("pre-tokenizer " + type_name(splitter));
  if (!processor.is_null() && !is_type(processor, "TemplateProcessing") && !is_type(processor, "BertProcessing")) {
    others.push_back("post-processor " + type_name(processor));
  }
  if (!others.empty()) {
    throw Error(fmt::format("{}: expected a BERT WordPiece tokenizer, got {}", fields.where(), join(others)));
  }
}

/// A template as people write it: "[CLS]:0 A:0 [SEP]:0".
std::string written_template(const Json& pieces) {
  std::vector<std::string> parts;
  for (const Json& piece : pieces) {
    for (const auto& [kind, body] : piece.items()) {
      parts.push_back(fmt::format("{}:{}", body.at("id").get<std::string>(), body.at("type_id").get<int64_t>()));
    }
  }
  return join(parts, " ");
}

/// Takes the names of cls and sep from the post-processor; anything but [CLS] A [SEP] B [SEP] is refused.
void read_template(const JsonFields& fields, TokenizerOptions& options) try {
  const Json& processor = fields.value("post_processor");
  if (is_type(processor, "BertProcessing")) {
    options.cls = processor.at("cls").at(0).get<std::string>();
    options.sep = processor.at("sep").at(0).get<std::string>();
    return;
  }
  const Json& single = processor.at("single");
  if (single.size() == 3 && single[0].contains("SpecialToken") && single[2].contains("SpecialToken")) {
    options.cls = single[0].at("SpecialToken").at("id").get<std::string>();
    options.sep = single[2].at("SpecialToken").at("id").get<std::string>();
  }
  const std::string want_single = fmt::format("{}:0 A:0 {}:0", options.cls, options.sep);
  const std::string want_pair = fmt::format("{} B:1 {}:1", want_single, options.sep);
  const std::string got_single = written_template(single), got_pair = written_template(processor.at("pair"));
  if (got_single == want_single && got_pair == want_pair) return;
  const bool single_differs = got_single != want_single;
  throw Error(fmt::format("{}: post_processor: expected the template {}, got {}", fields.where(),
                          single_differs ? want_single : want_pair, single_differs ? got_single : got_pair));
} catch (const Json::exception&) {
  throw Error(
      fmt::format("{}: post_processor: expected the template of BERT, got one that cannot be read", fields.where()));
}

Json added_token_json(const AddedToken& token) {
  return {{"id", token.id},          {"content", token.content}, {"single_word", token.single_word},
          {"lstrip", token.lstrip},  {"rstrip", token.rstrip},   {"normalized", token.normalized},
          {"special", token.special}};
}

Json template_json(const TokenizerOptions& options, int32_t cls_id, int32_t sep_id) {
  const auto special = [](const std::string& id, int type) {
    return Json{{"SpecialToken", {{"id", id}, {"type_id", type}}}};
  };
  const auto text = [](const char* id, int type) { return Json{{"Sequence", {{"id", id}, {"type_id", type}}}}; };
  const auto ids = [](const std::string& token, int32_t id) {
    return Json{{"id", token}, {"ids", Json::array({id})}, {"tokens", Json::array({token})}};
  };
  const Json cls = special(options.cls, 0), sep = special(options.sep, 0);
  Json single = Json::array({cls, text("A", 0), sep});
  Json pair = Json::array({cls, text("A", 0), sep, text("B", 1), special(options.sep, 1)});
  return {{"type", "TemplateProcessing"},
          {"single", std::move(single)},
          {"pair", std::move(pair)},
          {"special_tokens", {{options.cls, ids(options.cls, cls_id)}, {options.sep, ids(options.sep, sep_id)}}}};
}

}  // namespace

AddedToken read_added_token(const Json& json, const std::string& where, std::optional<int64_t> id) {
  const JsonFields fields(json, where);
  AddedToken token{.content = fields.string("content", ""),
                   .id = id ? *id : fields.integer("id", -1, 0, Vocabulary::kMaxId),
                   .single_word = fields.boolean("single_word", false),
                   .lstrip = fields.boolean("lstrip", false),
                   .rstrip = fields.boolean("rstrip", false),
                   .normalized = fields.boolean("normalized", true),
                   .special = fields.boolean("special", false)};
  if (token.content.empty() || token.id < 0) {
    throw Error(fmt::format("{}: must have a content and an id, got {}", where, json.dump()));
  }
  return token;
}

TokenizerJson read_tokenizer_json(const std::filesystem::path& file) {
  TokenizerJson out;
  const Json json = parse(file, read_text_file(file), out.vocabulary);
  const JsonFields fields(json, file.string());
  const Json& normalizer = only_of(fields.value("normalizer"), "normalizers");
  refuse_other_kinds(fields, normalizer, only_of(fields.value("pre_tokenizer"), "pretokenizers"));

  TokenizerOptions& options = out.options;
  if (normalizer.is_null()) {
    options.clean_text = options.lowercase = options.tokenize_chinese_chars = false;
  } else {
    const JsonFields flags(normalizer, file.string() + ": normalizer");
    options.clean_text = flags.boolean("clean_text", true);
    options.lowercase = flags.boolean("lowercase", true);
    options.strip_accents = flags.boolean_or_null("strip_accents");
    options.tokenize_chinese_chars = flags.boolean("handle_chinese_chars", true);
  }
  const JsonFields model(fields.value("model"), file.string() + ": model");
  options.unk = model.token("unk_token", options.unk);
  options.continuing_prefix = model.string("continuing_subword_prefix", options.continuing_prefix);
  options.max_input_chars_per_word = model.integer("max_input_chars_per_word", 100, 1, 1'000'000);
  out.has_template = !fields.value("post_processor").is_null();
  if (out.has_template) read_template(fields, options);
  for (const Json& token : fields.value("added_tokens")) {
    options.added_tokens.push_back(read_added_token(token, file.string() + ": added_tokens"));
  }
  return out;
}

std::string tokenizer_json_text(const Tokenizer& tokenizer) {
  const TokenizerOptions& options = tokenizer.options();
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  Json::object_t tokens;  // filled from behind: Json would look for each key among all before it
  tokens.reserve(vocabulary.tokens());
  for (int64_t id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.has(id)) tokens.emplace_back(std::string(vocabulary.token(id)), id);
  }
  Json added = Json::array();
  for (const AddedToken& token : tokenizer.added_tokens())
    added.push_back(added_token_json(token));
  const Json json = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", std::move(added)},
      {"normalizer",
       {{"type", "BertNormalizer"},
        {"clean_text", options.clean_text},
        {"handle_chinese_chars", options.tokenize_chinese_chars},
        {"strip_accents", options.strip_accents ? Json(*options.strip_accents) : Json()},
        {"lowercase", options.lowercase}}},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"post_processor", template_json(options, tokenizer.cls_id(), tokenizer.sep_id())},
      {"decoder", {{"type", "WordPiece"}, {"prefix", options.continuing_prefix}, {"cleanup", true}}},
      {"model",
       {{"type", "WordPiece"},
        {"unk_token", options.unk},
        {"continuing_subword_prefix", options.continuing_prefix},
        {"max_input_chars_per_word", options.max_input_chars_per_word},
        {"vocab", std::move(tokens)}}},
  };
  return json.dump(2) + "\n";
}

}  // namespace plugtune::text
