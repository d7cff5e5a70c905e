#pragma once
// bert_sites.h - the linear layers and the word embedding of a BERT by name, told from its measures alone: for conversions.

#include <string>
#include <vector>

#include "plugtune/config.h"
#include "plugtune/export.h"
#include "plugtune/model.h"

namespace plugtune {
inline namespace v1 {

/// A site of a BERT model, known by its measures alone: no model is built.
struct PLUGTUNE_API BertSite {
  SiteInfo info;  ///< path, role and layer
  /// Of the word embedding: words.
  int64_t in_features = 0, out_features = 0;  ///< of the word embedding: hidden size
};

/// The word embedding, the six linear layers of each layer, the pooler: in forward order. Not the classifier.
PLUGTUNE_API std::vector<BertSite> bert_sites(const ModelInfo& model);
/// The same without the word embedding.
PLUGTUNE_API std::vector<BertSite> bert_linears(const ModelInfo& model);
/// Every bias of the encoder and the pooler, by name.
PLUGTUNE_API std::vector<std::string> bert_biases(const ModelInfo& model);

/// Whether one of them has that path.
PLUGTUNE_API bool has_site(const std::vector<BertSite>& sites, const std::string& path);
/// `<path>.<patch>.<parameter>`
PLUGTUNE_API std::string delta_key(const BertSite& site, const std::string& patch, const std::string& parameter);

/// Sets `targets` and, where all roles have the same gaps, `layers`, so that they select just `chosen`: roles where all their
/// sites are chosen, else paths.
PLUGTUNE_API void set_targets(ConfigNode& settings, const std::vector<BertSite>& chosen, const ModelInfo& model);
/// Targets that tell `some` from the rest of `chosen`, and need not from other sites.
PLUGTUNE_API std::vector<std::string> targets_among(const std::vector<BertSite>& some,
                                                    const std::vector<BertSite>& chosen);

}  // namespace v1
}  // namespace plugtune
