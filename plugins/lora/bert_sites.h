#pragma once
// bert_sites.h - the sites that a low-rank update can have, told from the measures of the model alone.

#include <string>
#include <vector>

#include "plugtune/plugtune.h"

namespace plugtune::lora {

struct BertSite {
  SiteInfo info;
  int64_t in_features, out_features;  ///< of the word embedding: words, hidden size
};

/// The word embedding, the six linear layers of each layer, the pooler: in forward order. Not the classifier.
std::vector<BertSite> bert_sites(const ModelInfo& model);

/// Every bias of the encoder and the pooler, by name.
std::vector<std::string> bert_biases(const ModelInfo& model);

/// Ours from a delta key's point of view: `<path>.<patch>.update.a`.
std::string delta_key(const BertSite& site, const std::string& patch, const std::string& parameter);

}  // namespace plugtune::lora
