// bert_layer.cc - what the pretrained encoder computes inside its sites. Devlin et al. 2019, arXiv:1810.04805.
#include "model/bert_layer.h"

#include <ATen/record_function.h>
#include <torch/nn/functional.h>

#include <algorithm>
#include <array>

#include "kernels/activation.h"
#include "kernels/attention.h"
#include "kernels/dropout.h"
#include "kernels/embedding.h"
#include "kernels/junction.h"
#include "kernels/linear.h"
#include "model/merged.h"
#include "model/recompute.h"
#include "plugtune/error.h"

namespace plugtune::model {
namespace {

// What a span of the forward pass is computed from, for RECORD_USER_SCOPE_WITH_INPUTS: see sdk/src/sites.cc.
using Inputs = std::vector<c10::IValue>;

/// Pairs of a query and a key of the same sequence.
int64_t pairs_of(const Layout& queries, const Layout& keys) {
  int64_t pairs = 0;
  for (int64_t i = 0; i < queries.sequences(); ++i)
    pairs += queries.length(i) * keys.length(i);
  return pairs;
}

std::string layer_path(int64_t layer) { return "encoder.layer." + std::to_string(layer); }

std::shared_ptr<LinearSite> linear_site(const std::string& path, Role role, int64_t layer, int64_t in, int64_t out) {
  return std::make_shared<BertLinear>(SiteInfo{path, role, layer}, in, out);
}

}  // namespace

Tensor BertLinear::base(const Tensor& x) {
  RECORD_USER_SCOPE_WITH_INPUTS(info().path, Inputs{x});
  return x.dim() == 2 ? kernels::linear(x, weight, bias) : torch::linear(x, weight, bias);
}

Tensor through(LinearSite& linear, const Tensor& x) {
  if (linear.bare()) return linear.forward(x);
  const std::optional<kernels::Projection> merged = plain_weights(linear, x);
  if (!merged) return linear.forward(x);
  RECORD_USER_SCOPE_WITH_INPUTS(linear.info().path, Inputs{x});
  return kernels::linear(x, merged->weight, merged->bias);
}

Tensor activated(LinearSite& linear, const Tensor& x, const std::string& activation) {
  const std::string& path = linear.info().path;
  // Without patches the bias is added inside the activation's pass.
  std::optional<kernels::Projection> plain;
  if (activation == "gelu") plain = plain_weights(linear, x);
  const Tensor product = [&] {
    if (!plain) return through(linear, x);
    RECORD_USER_SCOPE_WITH_INPUTS(path, Inputs{x});
    return kernels::linear(x, plain->weight, {});
  }();
  RECORD_USER_SCOPE_WITH_INPUTS(path.substr(0, path.rfind('.')) + ".activation", Inputs{product});
  if (activation == "gelu") return plain ? kernels::bias_gelu(product, plain->bias) : kernels::gelu(product);
  if (activation == "gelu_new") return torch::gelu(product, "tanh");
  if (activation == "relu") return torch::relu(product);
  if (activation == "tanh") return torch::tanh(product);
  return torch::silu(product);
}

BertAttention::BertAttention(const BertOptions& options, int64_t layer)
    : AttentionSite({layer_path(layer) + ".attention.self", Role::kNone, layer}),
      dropout_(options.attention_dropout) {
  const int64_t hidden = options.hidden_size;
  const auto projection = [&](const char* name, Role role) {
    return register_module(name, linear_site(info().path + "." + name, role, layer, hidden, hidden));
  };
  query = projection("query", Role::kQuery);
  key = projection("key", Role::kKey);
  value = projection("value", Role::kValue);
}

Tensor BertAttention::base(const AttentionIn& in) {
  RECORD_USER_SCOPE_WITH_INPUTS(info().path, (Inputs{in.q, in.k, in.v, pairs_of(in.queries, in.keys)}));
  return kernels::attention(in.q, in.k, in.v, in.queries, in.keys, kernels::draw_dropout(dropout_, is_training()));
}

BertJunction::BertJunction(SiteInfo info, const BertOptions& options)
    : JunctionSite(std::move(info), options.hidden_size, options.layer_norm_eps),
      dropout_(options.hidden_dropout) {}

Tensor BertJunction::close(const Tensor& h, const Tensor& residual, const Layout& layout) {
  const kernels::Dropout dropout = kernels::draw_dropout(dropout_, is_training());
  if (bare()) {
    RECORD_USER_SCOPE_WITH_INPUTS(info().path, (Inputs{h, residual}));
    return kernels::dropout_residual_layer_norm(h, residual, weight, bias, eps(), dropout);
  }
  return forward({kernels::dropout(h, dropout), residual, layout});
}

Tensor BertJunction::base(const JunctionIn& in) {
  RECORD_USER_SCOPE_WITH_INPUTS(info().path, (Inputs{in.h, in.residual}));
  return kernels::dropout_residual_layer_norm(in.h, in.residual, weight, bias, eps(), {});
}

BertLayer::BertLayer(const BertOptions& options, int64_t layer)
    : LayerSite({layer_path(layer), Role::kNone, layer}),
      activation_(options.activation),
      heads_(options.heads),
      head_size_(options.head_size) {
  const std::string path = info().path;
  const int64_t hidden = options.hidden_size, wide = options.feed_forward_size;

  const auto attention_part = register_module("attention", std::make_shared<Container>());
  attention = attention_part->register_module("self", std::make_shared<BertAttention>(options, layer));
  const auto attention_end = attention_part->register_module("output", std::make_shared<Container>());
  attention_output = attention_end->register_module(
      "dense", linear_site(path + ".attention.output.dense", Role::kAttentionOutput, layer, hidden, hidden));
  after_attention = attention_end->register_module(
      "LayerNorm", std::make_shared<BertJunction>(
                       SiteInfo{path + ".attention.output.LayerNorm", Role::kAfterAttention, layer}, options));

  const auto intermediate = register_module("intermediate", std::make_shared<Container>());
  ffn_up = intermediate->register_module("dense",
                                         linear_site(path + ".intermediate.dense", Role::kFfnUp, layer, hidden, wide));
  const auto output = register_module("output", std::make_shared<Container>());
  ffn_down = output->register_module("dense", linear_site(path + ".output.dense", Role::kFfnDown, layer, wide, hidden));
  after_ffn = output->register_module(
      "LayerNorm",
      std::make_shared<BertJunction>(SiteInfo{path + ".output.LayerNorm", Role::kAfterFfn, layer}, options));
}

AttentionIn BertLayer::attention_input(const Tensor& h_queries, const Layout& queries, const LayerIn& keys) {
  LinearSite &query = *attention->query, &key = *attention->key, &value = *attention->value;
  const auto are_plain = [&] {
    return is_plain(query, h_queries) && is_plain(key, h_queries) && is_plain(value, h_queries);
  };
  if (h_queries.is_same(keys.h) && are_plain()) {
    RECORD_USER_SCOPE_WITH_INPUTS(attention->info().path + ".{query,key,value}", Inputs{h_queries});
    const std::array<kernels::Projection, 3> projections = {
        *plain_weights(query, h_queries), *plain_weights(key, h_queries), *plain_weights(value, h_queries)};
    const auto [q, k, v] = kernels::split_qkv(kernels::linear(h_queries, projections), heads_);
    return {q, k, v, queries, keys.layout};
  }
  const auto split_heads = [&](const Tensor& rows) { return rows.view({rows.size(0), heads_, head_size_}); };
  return {split_heads(through(query, h_queries)), split_heads(through(key, keys.h)),
          split_heads(through(value, keys.h)), queries, keys.layout};
}

Tensor BertLayer::compute(const Tensor& h_queries, const Layout& queries, const LayerIn& keys) {
  const Tensor context = attention->forward(attention_input(h_queries, queries, keys));
  const Tensor attended = after_attention->close(
      through(*attention_output, context.reshape({context.size(0), heads_ * head_size_})), h_queries, queries);
  return after_ffn->close(through(*ffn_down, activated(*ffn_up, attended, activation_)), attended, queries);
}

Tensor BertLayer::base(const LayerIn& in) {
  RECORD_USER_SCOPE_WITH_INPUTS(info().path, Inputs{in.h});
  return compute(in.h, in.layout, in);
}

Tensor BertLayer::first_rows(const LayerIn& in) {
  RECORD_USER_SCOPE_WITH_INPUTS(info().path, Inputs{in.h});
  return compute(in.h.index_select(0, in.layout.first_rows()), in.layout.first_rows_only(), in);
}

BertEncoder::BertEncoder(const BertOptions& options) : EncoderSite({"encoder", Role::kNone, -1}) {
  const auto list = register_module("layer", std::make_shared<Container>());
  for (int64_t i = 0; i < options.layers; ++i) {
    layers.push_back(list->register_module(std::to_string(i), std::make_shared<BertLayer>(options, i)));
  }
  end = layers.size();
}

Tensor BertEncoder::base(const EncoderIn& in) {
  Tensor h = in.h;
  for (size_t i = begin; i < end; ++i)
    h = layer(i, h, in.layout);
  return h;
}

Tensor BertEncoder::layer(size_t index, const Tensor& h, const Layout& layout) {
  const bool first_rows = first_rows_only && index + 1 == layers.size();
  const auto compute = [layer = layers[index].get(), layout, first_rows](const Tensor& rows) {
    return first_rows ? layer->first_rows({rows, layout}) : layer->forward({rows, layout});
  };
  const auto trains = [](const Tensor& tensor) { return tensor.requires_grad(); };
  // Below the lowest part that trains there is no backward pass to compute anything for.
  const bool has_graph =
      torch::GradMode::is_enabled() && (trains(h) || std::ranges::any_of(layers[index]->parameters(), trains));
  return recompute && has_graph ? recomputed(h, compute) : compute(h);
}

BertTrunk::BertTrunk(const BertOptions& options, std::shared_ptr<EmbeddingSite> words, BertEncoder& encoder)
    : TrunkSite({"embeddings", Role::kNone, -1}),
      encoder_(encoder),
      eps_(options.layer_norm_eps),
      dropout_(options.hidden_dropout) {
  const int64_t hidden = options.hidden_size;
  register_module("word_embeddings", std::move(words));
  const auto table = [&](const char* name, int64_t rows) {
    return register_module(name, std::make_shared<Container>())
        ->register_parameter("weight", torch::zeros({rows, hidden}));
  };
  position_table = table("position_embeddings", options.max_positions);
  type_table = table("token_type_embeddings", options.token_types);
  const auto norm = register_module("LayerNorm", std::make_shared<Container>());
  norm_weight = norm->register_parameter("weight", torch::ones({hidden}));
  norm_bias = norm->register_parameter("bias", torch::zeros({hidden}));
}

Tensor BertTrunk::base(const TrunkIn& in) { return encoder_.forward({embed(in), in.layout}); }

Tensor BertTrunk::embed(const TrunkIn& in) {
  RECORD_USER_SCOPE_WITH_INPUTS(info().path, Inputs{in.words});
  return kernels::embedding_layer_norm(in.words, in.types, in.positions, type_table, position_table, norm_weight,
                                       norm_bias, eps_, kernels::draw_dropout(dropout_, is_training()));
}

BertHead::BertHead(const BertOptions& options, LinearSite& pooler, LinearSite& classifier)
    : HeadSite({"head", Role::kNone, -1}),
      pooler_(pooler),
      classifier_(classifier),
      dropout_(options.classifier_dropout) {}

Tensor BertHead::base(const HeadIn& in) {
  RECORD_USER_SCOPE_WITH_INPUTS(info().path, Inputs{in.h});
  const Tensor first = in.layout.rows() == in.layout.sequences() ? in.h : in.h.index_select(0, in.layout.first_rows());
  const Tensor pooled = torch::tanh(pooler_.forward(first));  // (B, H)
  return classifier_.forward(kernels::dropout(pooled, kernels::draw_dropout(dropout_, is_training())));
}

}  // namespace plugtune::model
