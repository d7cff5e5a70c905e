// language_head.cc - what a masked-LM head computes. As transformers' BertForMaskedLM.
#include "model/language_head.h"

#include <ATen/record_function.h>

#include "model/bert_layer.h"

namespace plugtune::model {

LanguageHeadParts::LanguageHeadParts(const BertOptions& options, const Tensor& words) {
  const std::string path = "cls.predictions.";
  const int64_t hidden = options.hidden_size;
  const auto transform = register_module("transform", std::make_shared<Container>());
  dense = transform->register_module(
      "dense", std::make_shared<LinearSite>(SiteInfo{path + "transform.dense", Role::kTransform, -1}, hidden, hidden));
  const auto norm = transform->register_module("LayerNorm", std::make_shared<Container>());
  norm_weight = norm->register_parameter("weight", torch::ones({hidden}));
  norm_bias = norm->register_parameter("bias", torch::zeros({hidden}));
  decoder =
      register_module("decoder", std::make_shared<LinearSite>(SiteInfo{path + "decoder", Role::kDecoder, -1}, words));
}

LanguageHead::LanguageHead(const BertOptions& options, LanguageHeadParts& parts)
    : HeadSite({"head", Role::kNone, -1}),
      parts_(parts),
      activation_(options.activation),
      eps_(options.layer_norm_eps) {}

Tensor LanguageHead::base(const HeadIn& in) {
  RECORD_USER_SCOPE_WITH_INPUTS(info().path, std::vector<c10::IValue>{in.h});
  const Tensor h = read_rows.defined() ? in.h.index_select(0, read_rows) : in.h;  // (M, H)
  const Tensor transformed = torch::layer_norm(activated(*parts_.dense, h, activation_), {h.size(1)},
                                               parts_.norm_weight, parts_.norm_bias, eps_);
  return parts_.decoder->forward(transformed);  // (M, V)
}

}  // namespace plugtune::model
