// bert_sites.cc - BERT's linear layers by name.
#include "bert_sites.h"

namespace plugtune::lora {
namespace {

struct LinearName {
  Role role;
  const char* path;  // below the layer
};
constexpr LinearName kLinears[] = {
    {Role::kQuery, "attention.self.query"}, {Role::kKey, "attention.self.key"},
    {Role::kValue, "attention.self.value"}, {Role::kAttentionOutput, "attention.output.dense"},
    {Role::kFfnUp, "intermediate.dense"},   {Role::kFfnDown, "output.dense"}};

std::string layer_path(int64_t layer) { return "encoder.layer." + std::to_string(layer) + "."; }

}  // namespace

std::vector<BertSite> bert_sites(const ModelInfo& model) {
  const int64_t hidden = model.hidden_size, wide = model.feed_forward_size;
  std::vector<BertSite> sites = {
      {{"embeddings.word_embeddings", Role::kWordEmbeddings, -1}, model.vocabulary_size, hidden}};
  for (int64_t layer = 0; layer < model.layers; ++layer) {
    for (const auto& [role, path] : kLinears) {
      const int64_t in = role == Role::kFfnDown ? wide : hidden, out = role == Role::kFfnUp ? wide : hidden;
      sites.push_back({{layer_path(layer) + path, role, layer}, in, out});
    }
  }
  sites.push_back({{"pooler.dense", Role::kPooler, -1}, hidden, hidden});
  return sites;
}

std::vector<std::string> bert_biases(const ModelInfo& model) {
  std::vector<std::string> names = {"embeddings.LayerNorm.bias"};
  for (int64_t layer = 0; layer < model.layers; ++layer) {
    for (const auto& [role, path] : kLinears) {
      names.push_back(layer_path(layer) + path + ".bias");
      if (role == Role::kAttentionOutput) names.push_back(layer_path(layer) + "attention.output.LayerNorm.bias");
      if (role == Role::kFfnDown) names.push_back(layer_path(layer) + "output.LayerNorm.bias");
    }
  }
  names.emplace_back("pooler.dense.bias");
  return names;
}

std::string delta_key(const BertSite& site, const std::string& patch, const std::string& parameter) {
  return site.info.path + "." + patch + "." + parameter;
}

}  // namespace plugtune::lora
