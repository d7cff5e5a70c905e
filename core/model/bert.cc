// bert.cc - the whole model: construction, first rows only, ownership of parameters.
#include "model/bert.h"

#include "model/bert_layer.h"
#include "model/each_site.h"
#include "model/language_head.h"
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

void reset(const NamedTensors& parameters, double deviation) {
  torch::NoGradGuard no_grad;
  for (const auto& [name, parameter] : parameters) {
    if (name.ends_with("LayerNorm.weight")) {
      parameter.fill_(1.0);
    } else if (name.ends_with(".bias")) {
      parameter.zero_();
    } else {
      parameter.normal_(0.0, deviation);
    }
  }
}

void freeze(const NamedTensors& parameters) {
  for (const auto& [name, parameter] : parameters)
    parameter.set_requires_grad(false);
}

}  // namespace

bool is_head_parameter(const std::string& name) {
  static const std::set<std::string> kNames = {"classifier.weight",
                                               "classifier.bias",
                                               "cls.predictions.transform.dense.weight",
                                               "cls.predictions.transform.dense.bias",
                                               "cls.predictions.transform.LayerNorm.weight",
                                               "cls.predictions.transform.LayerNorm.bias",
                                               "cls.predictions.decoder.bias",
                                               "cls.seq_relationship.weight",
                                               "cls.seq_relationship.bias"};
  return kNames.contains(name);
}

Bert::Bert(const BertOptions& options) : options_(options) {
  TORCH_CHECK(options.hidden_size == options.heads * options.head_size, "Bert: hidden_size must be heads * head_size");
  const int64_t hidden = options.hidden_size;
  words_ = std::make_shared<EmbeddingSite>(SiteInfo{"embeddings.word_embeddings", Role::kWordEmbeddings, -1},
                                           options.vocabulary_size, hidden);
  encoder_ = std::make_shared<BertEncoder>(options);
  trunk_ = register_module("embeddings", std::make_shared<BertTrunk>(options, words_, *encoder_));
  register_module("encoder", encoder_);
  for (const auto& layer : encoder_->layers) {
    for (const auto& site : {layer->attention->query, layer->attention->key, layer->attention->value,
                             layer->attention_output, layer->ffn_up, layer->ffn_down}) {
      linears_.push_back(site.get());
    }
    junctions_.push_back(layer->after_attention.get());
    junctions_.push_back(layer->after_ffn.get());
  }
  options.task == TaskKind::kText ? make_language_head() : make_classification_head();
  freeze_base();
}
Bert::~Bert() = default;

void Bert::make_pooler() {
  const int64_t hidden = options_.hidden_size;
  pooler_ = register_module("pooler", std::make_shared<Container>())
                ->register_module(
                    "dense", std::make_shared<LinearSite>(SiteInfo{"pooler.dense", Role::kPooler, -1}, hidden, hidden));
}

void Bert::make_classification_head() {
  const int64_t hidden = options_.hidden_size;
  make_pooler();
  const auto classifier = register_module(
      "classifier",
      std::make_shared<LinearSite>(SiteInfo{"classifier", Role::kClassifier, -1}, hidden, options_.labels));
  head_ = register_module("head", std::make_shared<BertHead>(options_, *pooler_, *classifier));
  linears_.insert(linears_.end(), {pooler_.get(), classifier.get()});
}

void Bert::make_language_head() {
  if (options_.next_sentence) make_pooler();
  const auto cls = register_module("cls", std::make_shared<Container>());
  const auto parts = cls->register_module("predictions", std::make_shared<LanguageHeadParts>(options_, words_->weight));
  language_head_ = register_module("head", std::make_shared<LanguageHead>(options_, *parts));
  head_ = language_head_;
  linears_.insert(linears_.end(), {parts->dense.get(), parts->decoder.get()});
  if (!options_.next_sentence) return;
  next_sentence_ = cls->register_module(
      "seq_relationship", std::make_shared<LinearSite>(SiteInfo{"cls.seq_relationship", Role::kClassifier, -1},
                                                       options_.hidden_size, /*out_features=*/2));
  linears_.insert(linears_.end(), {pooler_.get(), next_sentence_.get()});
}

bool Bert::computes_first_rows_only() const {
  const BertLayer& last = *encoder_->layers.back();
  return first_rows_allowed_ && language_head_ == nullptr && trunk_->bare() && encoder_->row_wise() && last.bare() &&
         last.attention->row_wise() && last.after_attention->row_wise() && last.after_ffn->row_wise() &&
         head_->row_wise();
}

void Bert::set_recompute(bool recompute) noexcept { encoder_->recompute = recompute; }

Tensor Bert::forward(const Input& input) {
  const bool first_rows_only = computes_first_rows_only();
  encoder_->first_rows_only = first_rows_only;
  if (language_head_ != nullptr) language_head_->read_rows = input.read_rows;
  const Tensor h = encoded(input, options_.layers);
  return head_->forward({h, first_rows_only ? input.layout.first_rows_only() : input.layout});
}

Bert::Answers Bert::answers(const Input& input) {
  if (next_sentence_ == nullptr) return {forward(input), Tensor()};
  encoder_->first_rows_only = false;
  language_head_->read_rows = input.read_rows;
  const Tensor h = encoded(input, options_.layers);                                                   // (N, H)
  const Tensor pooled = torch::tanh(pooler_->forward(h.index_select(0, input.layout.first_rows())));  // (B, H)
  return {head_->forward({h, input.layout}), next_sentence_->forward(pooled)};  // no dropout, as BertForPreTraining
}

Tensor Bert::first_rows(const Input& input) {
  TORCH_INTERNAL_ASSERT(computes_first_rows_only());
  encoder_->first_rows_only = true;
  return encoded(input, options_.layers);
}

Tensor Bert::answer(const Tensor& first_rows) {
  return head_->forward({first_rows, Layout(std::vector<int64_t>(static_cast<size_t>(first_rows.size(0)), 1))});
}

Tensor Bert::hidden(const Input& input) { return hidden_below(input, options_.layers); }

Tensor Bert::hidden_below(const Input& input, int64_t layer) {
  encoder_->first_rows_only = false;
  return encoded(input, layer);
}

Tensor Bert::encoded(const Input& input, int64_t end) {
  encoder_->begin = static_cast<size_t>(input.layers_done);
  encoder_->end = static_cast<size_t>(end);
  if (input.hidden.defined()) return encoder_->forward({input.hidden, input.layout});
  return trunk_->forward({word_vectors(input.ids), input.types, input.positions, input.layout});
}

void Bert::train(bool on) {
  Module::train(on);
  if (!on || resting_ == 0) return;
  trunk_->eval();
  for (int64_t i = 0; i < resting_; ++i)
    bert_layer(i).eval();
}

Tensor Bert::word_vectors(const Tensor& ids) {
  return words_->forward({word_rows_.defined() ? word_rows_.index_select(0, ids) : ids});
}

void Bert::compact_words(const Tensor& used) {
  TORCH_INTERNAL_ASSERT(words_->bare() && language_head_ == nullptr && !word_rows_.defined());
  const torch::NoGradGuard no_grad;
  word_rows_ = torch::full({options_.vocabulary_size}, -1, torch::kInt64);
  word_rows_.index_copy_(0, used, torch::arange(used.size(0)));
  words_->weight.set_data(words_->weight.index_select(0, used));
}

void Bert::restore_words(const Tensor& table) {
  TORCH_INTERNAL_ASSERT(table.dim() == 2 && table.size(0) == options_.vocabulary_size);
  word_rows_ = Tensor();
  words_->weight.mutable_grad() = Tensor();
  words_->weight.set_data(table.to(words_->weight.scalar_type()));
}

void Bert::reset_parameters() {
  reset(own_parameters(), options_.initializer_range);
  torch::NoGradGuard no_grad;
  words_->weight[options_.pad_id].zero_();
}

void Bert::reset_pooler() {
  reset({{"pooler.dense.weight", pooler_->weight}, {"pooler.dense.bias", pooler_->bias}}, options_.initializer_range);
}

void Bert::reset_head() {
  NamedTensors head = own_parameters();
  std::erase_if(head, [](const auto& entry) { return !is_head_parameter(entry.first); });
  reset(head, options_.initializer_range);
}

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
  std::erase_if(base, [](const auto& entry) { return is_head_parameter(entry.first); });
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

void Bert::refuse_unfoldable() const {
  std::vector<std::string> problems;
  const auto refuse = [&](const auto& site, const std::string& patch, const std::string& why) {
    problems.push_back(site.info().path + "." + patch + ": cannot be folded into the weights; " + why);
  };
  for_each_site(const_cast<Bert&>(*this), [&]<class In>(Site<In>& site) {
    for (const auto& [name, patch] : site.patches()) {
      const auto* module = static_cast<const torch::nn::Module*>(patch.get());
      const bool foldable = std::is_same_v<In, Tensor> ? dynamic_cast<const Foldable*>(module) != nullptr
                                                       : std::is_same_v<In, TokenIn> &&
                                                             dynamic_cast<const FoldableEmbedding*>(module) != nullptr;
      if (!foldable) {
        refuse(site, name, "it computes something that no weight of the plain model can");
      } else if (language_head_ != nullptr && std::is_same_v<In, TokenIn>) {
        refuse(site, name, "the masked-LM decoder shares this weight and would change too");
      } else if (const auto* linear = dynamic_cast<const LinearSite*>(static_cast<torch::nn::Module*>(&site));
                 linear != nullptr && linear->is_tied()) {
        refuse(site, name, "the decoder shares its weight with the word embedding, which would change too");
      }
    }
  });
  if (!problems.empty()) throw Error(problems);
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
