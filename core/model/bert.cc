// bert.cc - the whole model: construction, first rows only, ownership of parameters, folding.
#include "model/bert.h"

#include "model/bert_layer.h"
#include "model/each_site.h"
#include "plugtune/capability.h"
#include "plugtune/error.h"

namespace plugtune::model {
namespace {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

// const_cast: sites are reached through Model's interface, which plugins need to be mutable; nothing is changed here.
template <class Visitor>
void for_each_patch(const Bert& model, const Visitor& visit) {
  for_each_site(const_cast<Bert&>(model), [&](auto& site) {
    for (const auto& [name, patch] : site.patches())
      visit(site.info().path + "." + name, *patch);
  });
}

template <class Named>
void append_with_prefix(NamedTensors& all, const std::string& prefix, const Named& tensors) {
  for (const auto& item : tensors)
    all.emplace_back(prefix + "." + item.key(), item.value());
}

void freeze(const NamedTensors& parameters) {
  for (const auto& [name, parameter] : parameters)
    parameter.set_requires_grad(false);
}

}  // namespace

Bert::Bert(const BertOptions& options) : options_(options) {
  TORCH_CHECK(options.hidden_size == options.heads * options.head_size, "Bert: hidden_size must be heads * head_size");
  const int64_t hidden = options.hidden_size;
  words_ = std::make_shared<EmbeddingSite>(SiteInfo{"embeddings.word_embeddings", Role::kWordEmbeddings, -1},
                                           options.vocabulary_size, hidden);
  encoder_ = std::make_shared<BertEncoder>(options);
  trunk_ = register_module("embeddings", std::make_shared<BertTrunk>(options, words_, *encoder_));
  register_module("encoder", encoder_);
  pooler_ = register_module("pooler", std::make_shared<Container>())
                ->register_module(
                    "dense", std::make_shared<LinearSite>(SiteInfo{"pooler.dense", Role::kPooler, -1}, hidden, hidden));
  classifier_ = register_module(
      "classifier",
      std::make_shared<LinearSite>(SiteInfo{"classifier", Role::kClassifier, -1}, hidden, options.labels));
  head_ = register_module("head", std::make_shared<BertHead>(options, *pooler_, *classifier_));

  for (const auto& layer : encoder_->layers) {
    for (const auto& site : {layer->attention->query, layer->attention->key, layer->attention->value,
                             layer->attention_output, layer->ffn_up, layer->ffn_down}) {
      linears_.push_back(site.get());
    }
    junctions_.push_back(layer->after_attention.get());
    junctions_.push_back(layer->after_ffn.get());
  }
  linears_.push_back(pooler_.get());
  linears_.push_back(classifier_.get());
  freeze_base();
}
Bert::~Bert() = default;

bool Bert::may_compute_first_rows_only() const {
  const BertLayer& last = *encoder_->layers.back();
  return first_rows_allowed_ && trunk_->bare() && encoder_->row_wise() && last.bare() && last.attention->row_wise() &&
         last.after_attention->row_wise() && last.after_ffn->row_wise() && head_->row_wise();
}

Tensor Bert::forward(const Input& input) {
  const bool first_rows_only = may_compute_first_rows_only();
  encoder_->first_rows_only = first_rows_only;
  const Tensor words = words_->forward({input.ids});
  const Tensor h = trunk_->forward({words, input.types, input.positions, input.layout});
  return head_->forward({h, first_rows_only ? input.layout.first_rows_only() : input.layout});
}

Tensor Bert::hidden(const Input& input) {
  encoder_->first_rows_only = false;
  return trunk_->forward({words_->forward({input.ids}), input.types, input.positions, input.layout});
}

void Bert::reset_parameters() {
  torch::NoGradGuard no_grad;
  for (const auto& [name, parameter] : own_parameters()) {
    if (name.ends_with("LayerNorm.weight")) {
      parameter.fill_(1.0);
    } else if (name.ends_with(".bias")) {
      parameter.zero_();
    } else {
      parameter.normal_(0.0, options_.initializer_range);
    }
  }
  words_->weight[options_.pad_id].zero_();
}

namespace {
void reset_linear(LinearSite& site, double deviation) {
  torch::NoGradGuard no_grad;
  site.weight.normal_(0.0, deviation);
  site.bias.zero_();
}
}  // namespace
void Bert::reset_pooler() { reset_linear(*pooler_, options_.initializer_range); }
void Bert::reset_classifier() { reset_linear(*classifier_, options_.initializer_range); }

NamedTensors Bert::patch_parameters() const {
  NamedTensors all;
  for_each_patch(*this, [&](const std::string& key, const torch::nn::Module& patch) {
    append_with_prefix(all, key, patch.named_parameters());
  });
  return all;
}

NamedTensors Bert::patch_buffers() const {
  NamedTensors all;
  for_each_patch(*this, [&](const std::string& key, const torch::nn::Module& patch) {
    append_with_prefix(all, key, patch.named_buffers());
  });
  return all;
}

NamedTensors Bert::own_parameters() const {
  std::set<std::string> patched;
  for (const auto& [key, parameter] : patch_parameters())
    patched.insert(key);
  NamedTensors own;
  for (const auto& item : named_parameters()) {
    if (!patched.contains(item.key())) own.emplace_back(item.key(), item.value());
  }
  return own;
}

void Bert::freeze_base() {
  freeze(own_parameters());
  trained_base_.clear();
}

NamedTensors Bert::base_parameters() {
  NamedTensors base = own_parameters();
  std::erase_if(base, [](const auto& entry) { return entry.first.starts_with("classifier."); });
  return base;
}

void Bert::train_base(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& [key, parameter] : base_parameters()) {
    if (key == name) {
      parameter.set_requires_grad(true);
      trained_base_.insert(name);
      return;
    }
    names.push_back(key);
  }
  throw Error("model: there is no base parameter '" + name + "'" + did_you_mean(name, names));
}

std::vector<std::string> Bert::patched_sites() const {
  std::vector<std::string> lines;
  for_each_site(const_cast<Bert&>(*this), [&](auto& site) {
    if (site.bare()) return;
    std::vector<std::string> names;
    for (const auto& entry : site.patches())
      names.push_back(entry.first);
    lines.push_back(site.info().path + ": " + join(names));
  });
  return lines;
}

void Bert::fold() {
  torch::NoGradGuard no_grad;
  std::vector<std::string> problems;
  for_each_site(*this, [&](auto& site) {
    for (const auto& [name, patch] : site.patches()) {
      const auto* module = static_cast<const torch::nn::Module*>(patch.get());
      if (dynamic_cast<const Foldable*>(module) == nullptr &&
          dynamic_cast<const FoldableEmbedding*>(module) == nullptr) {
        problems.push_back(site.info().path + "." + name +
                           ": cannot be folded into the weights; it computes something that no weight of " +
                           "the plain model can");
      }
    }
  });
  if (!problems.empty()) throw Error(problems);

  // In double, so that many small updates do not round one after another.
  const auto fold_site = [](auto& site, const auto& fold_into) {
    if (site.bare()) return;
    const auto patches = site.patches();
    for (const auto& [name, patch] : patches) {
      patch->to(torch::kFloat64);
      fold_into(patch);
    }
    for (const auto& [name, patch] : patches)
      site.detach(name);
  };
  for (LinearSite* site : linears_) {
    Tensor weight = site->weight.to(torch::kFloat64), bias = site->bias.to(torch::kFloat64);
    fold_site(*site, [&](const auto& patch) { dynamic_cast<const Foldable&>(*patch).fold(weight, bias); });
    site->weight.copy_(weight);
    site->bias.copy_(bias);
  }
  Tensor words = words_->weight;
  if (!words_->bare()) words = words.to(torch::kFloat64);
  fold_site(*words_, [&](const auto& patch) { dynamic_cast<const FoldableEmbedding&>(*patch).fold(words); });
  if (words.data_ptr() != words_->weight.data_ptr()) words_->weight.copy_(words);
}

BertLayer& Bert::bert_layer(int64_t layer) {
  TORCH_CHECK(layer >= 0 && layer < options_.layers, "the model has layers 0 to ", options_.layers - 1, ", got ",
              layer);
  return *encoder_->layers[static_cast<size_t>(layer)];
}

EmbeddingSite& Bert::word_embeddings() { return *words_; }
TrunkSite& Bert::trunk() { return *trunk_; }
EncoderSite& Bert::encoder() { return *encoder_; }
LayerSite& Bert::layer(int64_t layer) { return bert_layer(layer); }
AttentionSite& Bert::attention(int64_t layer) { return *bert_layer(layer).attention; }
HeadSite& Bert::head() { return *head_; }

LinearSite& Bert::linear(Role role, int64_t layer) {
  BertLayer& at = bert_layer(layer);
  switch (role) {
    case Role::kQuery:
      return *at.attention->query;
    case Role::kKey:
      return *at.attention->key;
    case Role::kValue:
      return *at.attention->value;
    case Role::kAttentionOutput:
      return *at.attention_output;
    case Role::kFfnUp:
      return *at.ffn_up;
    case Role::kFfnDown:
      return *at.ffn_down;
    default:
      TORCH_CHECK(false, "Model::linear: role '", role_name(role), "' is not a linear layer of the encoder");
  }
}

JunctionSite& Bert::junction(Role role, int64_t layer) {
  BertLayer& at = bert_layer(layer);
  TORCH_CHECK(role == Role::kAfterAttention || role == Role::kAfterFfn, "Model::junction: role '", role_name(role),
              "' is not a junction");
  return role == Role::kAfterAttention ? *at.after_attention : *at.after_ffn;
}

}  // namespace plugtune::model
