// merge_record.cc - what a merged directory keeps of its base, and the base out of it.
#include "experiment/merge_record.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "experiment/json_fields.h"
#include "formats/bert_weights.h"
#include "formats/checkpoint_files.h"
#include "formats/mapped_file.h"
#include "formats/safetensors.h"
#include "formats/sha256.h"
#include "formats/wording.h"

namespace plugtune::experiment {

namespace {

namespace fs = std::filesystem;
using formats::NamedTensors;
using formats::Sha256;
using Json = nlohmann::ordered_json;
using Texts = std::map<std::string, std::string>;
using torch::Tensor;

constexpr int64_t kRecordSchema = 1;
constexpr std::pair<const char*, torch::ScalarType> kTypes[] = {
    {"F32", torch::kFloat}, {"BF16", torch::kBFloat16}, {"F16", torch::kHalf}};

/// SHA-256 over type, shape and bytes: equal for tensors that are the same bit for bit.
std::string digest(const Tensor& tensor) {
  const Tensor plain = tensor.detach().contiguous();
  Sha256 sha;
  sha.update(fmt::format("{} {}\n", c10::toString(plain.scalar_type()), formats::shape_text(plain.sizes())));
  sha.update(plain.const_data_ptr(), plain.nbytes());
  return formats::hex(sha.finish());
}

/// Calls visit(i) for each of `count` tensors on all threads.
template <class Visit>
void for_each(size_t count, const Visit& visit) {
  at::parallel_for(0, static_cast<int64_t>(count), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      visit(static_cast<size_t>(i));
  });
}

Texts digests(const NamedTensors& tensors) {
  const std::vector<NamedTensors::value_type> list(tensors.begin(), tensors.end());
  std::vector<std::string> found(list.size());
  for_each(list.size(), [&](size_t i) { found[i] = digest(list[i].second); });
  Texts all;
  for (size_t i = 0; i < list.size(); ++i)
    all.emplace(list[i].first, found[i]);
  return all;
}

std::string file_digest(const fs::path& file) {
  const auto mapped = formats::MappedFile::open(file);
  return formats::hex(Sha256::of(mapped->bytes().data(), mapped->bytes().size()));
}

/// The name of a type that merged weights, which are F32, can be given back exactly; "" for others.
std::string type_name(torch::ScalarType type) {
  for (const auto& [name, known] : kTypes)
    if (known == type) return name;
  return "";
}

torch::ScalarType type_of(const std::string& name, const JsonObject& object) {
  for (const auto& [known, type] : kTypes)
    if (name == known) return type;
  throw object.wrong("type", "one of F32, BF16, F16", &object.json().at("type"));
}

/// @param merged  names of the merged tensors by their digests
MergeRecord::Source source_of(const Tensor& original, const Texts& merged) {
  MergeRecord::Source source{digest(original), "", "", type_name(original.scalar_type())};
  if (source.type.empty()) return source;
  const Tensor wide = original.to(torch::kFloat);
  const auto same = merged.find(digest(wide));
  // Narrowing gives back what was widened, but for the payload of a NaN.
  if (same != merged.end() && digest(wide.to(original.scalar_type())) == source.sha256) source.merged = same->second;
  return source;
}

/// Fills in where each tensor of the base is, and returns those that have to be kept.
NamedTensors find_sources(MergeRecord& record, const NamedTensors& base) {
  Texts merged_by_digest;
  for (const auto& [name, sha256] : record.merged)
    merged_by_digest.emplace(sha256, name);
  const std::vector<NamedTensors::value_type> list(base.begin(), base.end());
  std::vector<MergeRecord::Source> sources(list.size());
  for_each(list.size(), [&](size_t i) { sources[i] = source_of(list[i].second, merged_by_digest); });
  NamedTensors kept;
  Texts kept_by_digest;
  for (size_t i = 0; i < list.size(); ++i) {
    const auto& [name, tensor] = list[i];
    MergeRecord::Source& source = sources[i];
    if (source.merged.empty()) {
      const auto [same, is_new] = kept_by_digest.emplace(source.sha256, name);
      source.kept = same->second;
      if (is_new) kept.emplace(name, tensor);
    }
    record.base.emplace(name, std::move(source));
  }
  return kept;
}

Json source_json(const MergeRecord::Source& source) {
  Json json = {{"sha256", source.sha256}};
  if (!source.kept.empty()) {
    json["kept"] = source.kept;
  } else {
    json["merged"] = source.merged;
    json["type"] = source.type;
  }
  return json;
}

std::string record_text(const MergeRecord& record) {
  Json base = Json::object();
  for (const auto& [name, source] : record.base)
    base[name] = source_json(source);
  const Json json = {
      {"schema", kRecordSchema},
      {"run", record.run},
      {"strategies", record.strategies},
      {"base",
       {{"path", record.base_path}, {"fingerprint", record.base_fingerprint}, {"metadata", record.base_metadata}}},
      {"tensors", base},
      {"merged", record.merged},
      {"files", record.files},
  };
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Texts texts_from(const JsonObject& object) {
  Texts texts;
  for (const auto& [key, value] : object.json().items()) {
    if (!value.is_string()) throw object.wrong(key, "a string", &value);
    texts.emplace(key, value.get<std::string>());
  }
  return texts;
}

MergeRecord::Source source_from(const JsonObject& object, const Texts& merged) {
  MergeRecord::Source source;
  source.sha256 = object.string("sha256");
  if (object.has("kept")) {
    source.kept = object.string("kept");
    return source;
  }
  source.merged = object.string("merged");
  source.type = object.string("type");
  type_of(source.type, object);
  if (!merged.contains(source.merged))
    throw object.wrong("merged", "the name of a merged tensor", &object.json().at("merged"));
  return source;
}

/// A name that leads nowhere else: what is copied lies beside the weights.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
}

std::string list(std::string_view what, const std::vector<std::string>& names) {
  std::string lines;
  for (const std::string& name : formats::fold_layers(names))
    lines += fmt::format("\n  {}: {}", what, name);
  return lines;
}

/// Throws Error unless every merged tensor is as it was written.
void check_merged(const fs::path& directory, const Texts& expected, const NamedTensors& tensors) {
  std::vector<std::string> changed, missing, unexpected;
  const Texts found = digests(tensors);
  for (const auto& [name, sha256] : expected) {
    const auto at = found.find(name);
    if (at == found.end()) {
      missing.push_back(name);
    } else if (at->second != sha256) {
      changed.push_back(name);
    }
  }
  for (const auto& [name, sha256] : found)
    if (!expected.contains(name)) unexpected.push_back(name);
  const std::string problems = list("changed", changed) + list("missing", missing) + list("unexpected", unexpected);
  if (problems.empty()) return;
  throw Error(fmt::format("{}: its weights are no longer those that were merged; only they can be unmerged{}",
                          directory.string(), problems));
}

void check_files(const MergePaths& paths, const Texts& files) {
  std::vector<std::string> problems;
  for (const auto& [name, sha256] : files) {
    const fs::path file = name == "config.json" ? paths.config() : paths.root / name;
    std::error_code failure;
    if (!fs::is_regular_file(file, failure)) {
      problems.push_back(fmt::format("{}: is missing; it was there when the directory was merged", file.string()));
    } else if (file_digest(file) != sha256) {
      problems.push_back(fmt::format("{}: was changed since the directory was merged", file.string()));
    }
  }
  if (!problems.empty()) throw Error(problems);
}

/// The kept tensors that the record speaks of. Which file is damaged is known here, which tensor too.
NamedTensors read_kept(const fs::path& file, const MergeRecord& record) {
  const auto kept = formats::SafetensorsFile::open(file);
  std::map<std::string, std::string> expected;
  for (const auto& [name, source] : record.base)
    if (!source.kept.empty()) expected.emplace(source.kept, source.sha256);
  NamedTensors tensors;
  std::vector<std::string> problems;
  for (const auto& [name, sha256] : expected) {
    if (!kept.contains(name)) {
      problems.push_back(fmt::format("{}: has no tensor '{}', which unmerge.json expects in it", file.string(), name));
      continue;
    }
    tensors.emplace(name, kept.tensor(name));
    if (digest(tensors.at(name)) != sha256)
      problems.push_back(
          fmt::format("{}: tensor '{}' is not the one that was kept; the file is damaged", file.string(), name));
  }
  if (!problems.empty()) throw Error(problems);
  return tensors;
}

}  // namespace

KeptOfBase write_merge_record(formats::AtomicDirectory& directory, MergeRecord record, const MergeBase& base,
                              const NamedTensors& merged) {
  record.base_metadata = base.metadata;
  record.merged = digests(merged);
  record.files.emplace("config.json", file_digest(base.config));
  for (const fs::path& file : base.tokenizer)
    record.files.emplace(file.filename().string(), file_digest(file));
  const NamedTensors kept = find_sources(record, base.tensors);

  const MergePaths paths{fs::path()};
  directory.write(paths.record().string(), record_text(record));
  directory.copy(base.config, paths.config().string());
  formats::OutputFile output = directory.create(paths.kept().string());
  formats::write_safetensors(output, kept);
  KeptOfBase result{kept.size(), base.tensors.size(), output.position()};
  output.close();
  return result;
}

bool has_merge_record(const fs::path& merged) {
  std::error_code failure;
  return fs::exists(MergePaths(merged).record(), failure);
}

MergeRecord read_merge_record(const fs::path& merged) {
  std::error_code failure;
  if (!fs::exists(merged, failure)) throw Error(formats::not_found(merged));
  if (!has_merge_record(merged)) {
    throw Error(
        fmt::format("{}: has no unmerge/unmerge.json, so the bits of its base are not in it; `plugtune merge "
                    "--reversible` keeps them",
                    merged.string()));
  }
  const fs::path file = MergePaths(merged).record();
  const Json json = read_json_file(file);
  const JsonObject object(json, file.string());
  object.check_schema(kRecordSchema);
  MergeRecord record;
  record.run = object.string("run");
  for (const Json& strategy : object.array("strategies")) {
    if (!strategy.is_string()) throw object.wrong("strategies", "an array of strings", &strategy);
    record.strategies.push_back(strategy.get<std::string>());
  }
  const JsonObject base = object.object("base");
  record.base_path = base.string("path");
  record.base_fingerprint = base.string("fingerprint");
  record.base_metadata = texts_from(base.object("metadata"));
  record.merged = texts_from(object.object("merged"));
  record.files = texts_from(object.object("files"));
  for (const auto& [name, sha256] : record.files)
    if (!is_plain_name(name))
      throw object.wrong("files", "names of files beside the weights", &object.json().at("files"));
  const JsonObject tensors = object.object("tensors");
  for (const auto& [name, source] : tensors.json().items())
    record.base.emplace(name, source_from(JsonObject(source, file.string(), tensors.path_of(name)), record.merged));
  return record;
}

MergeBase read_base_of_merged(const fs::path& merged, const MergeRecord& record) {
  const MergePaths paths(merged);
  std::vector<fs::path> files;
  const NamedTensors weights = formats::read_checkpoint(merged, files);
  check_merged(merged, record.merged, weights);
  check_files(paths, record.files);
  const NamedTensors kept = read_kept(paths.kept(), record);

  MergeBase base{paths.config(), {}, {}, record.base_metadata};
  for (const auto& [name, sha256] : record.files)
    if (name != "config.json") base.tokenizer.push_back(merged / name);
  for (const auto& [name, source] : record.base) {
    const bool is_kept = !source.kept.empty();
    const auto* type = std::ranges::find(kTypes, source.type, [](const auto& entry) { return entry.first; });
    const Tensor tensor = is_kept ? kept.at(source.kept) : weights.at(source.merged).to(type->second);
    if (!is_kept && digest(tensor) != source.sha256)
      throw Error(fmt::format("{}: 'tensors.{}' is not what '{}' was made of; the file is damaged",
                              paths.record().string(), name, source.merged));
    base.tensors.emplace(name, tensor);
  }
  return base;
}

}  // namespace plugtune::experiment
