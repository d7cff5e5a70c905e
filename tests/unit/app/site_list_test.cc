// site_list_test.cc - what is said of sites is what the model does: counted in the graph of a training's forward pass.
#include "app/site_list.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/function.h>

#include <algorithm>
#include <set>

#include "model/each_site.h"
#include "plugtune/plugtune.h"

namespace plugtune::app {
namespace {

template <class In>
class Empty final : public Patch<In> {
 public:
  explicit Empty(bool row_wise = true) : row_wise_(row_wise) {}
  Tensor forward(const In& in, const Next<In>& next) override { return next(in); }
  bool row_wise() const override { return row_wise_; }

 private:
  bool row_wise_;
};

template <class In>
void patch(Site<In>& site, bool row_wise = true) {
  site.attach("empty", std::make_shared<Empty<In>>(row_wise));
}

std::shared_ptr<model::Bert> small_model(TaskKind task = TaskKind::kClassification, const char* activation = "gelu") {
  model::BertOptions options;
  options.layers = 3;
  options.hidden_size = 8;
  options.heads = 2;
  options.head_size = 4;
  options.feed_forward_size = 16;
  options.vocabulary_size = 20;
  options.max_positions = 8;
  options.hidden_dropout = 0.1;
  options.layer_norm_eps = 1e-12;
  options.initializer_range = 0.2;
  options.activation = activation;
  options.task = task;
  options.labels = task == TaskKind::kText ? options.vocabulary_size : 2;
  torch::manual_seed(1);
  auto model = std::make_shared<model::Bert>(options);
  model->reset_parameters();
  model->word_embeddings().weight.set_requires_grad(true);  // so that everything is in the graph
  model->train();
  return model;
}

/// How many nodes of the forward pass have a name with `part` in it.
int64_t nodes(model::Bert& model, const std::string& part) {
  const Layout layout({3, 1, 4});
  const Tensor ids = torch::arange(1, 9);
  const Tensor positions = torch::cat({torch::arange(3), torch::arange(1), torch::arange(4)});
  const Tensor logits = model.forward({ids, torch::zeros_like(ids), positions, layout});
  std::set<torch::autograd::Node*> seen;
  std::vector<torch::autograd::Node*> stack = {logits.grad_fn().get()};
  while (!stack.empty()) {
    torch::autograd::Node* node = stack.back();
    stack.pop_back();
    if (node == nullptr || !seen.insert(node).second) continue;
    for (const auto& edge : node->next_edges())
      stack.push_back(edge.function.get());
  }
  return std::ranges::count_if(seen, [&](auto* node) { return node->name().find(part) != std::string::npos; });
}

std::vector<ListedSite> listed(model::Bert& model) {
  return list_sites(model, [](const std::string& patch) { return "of " + patch; });
}

const ListedSite& site_at(const std::vector<ListedSite>& sites, const std::string& path) {
  return *std::ranges::find_if(sites, [&](const ListedSite& site) { return site.info.path == path; });
}

int64_t count_fused(const std::vector<ListedSite>& sites, const std::string& with) {
  return std::ranges::count(sites, with, &ListedSite::fused);
}

void expect_what_the_model_does(model::Bert& model) {
  const std::vector<ListedSite> sites = listed(model);
  EXPECT_EQ(count_fused(sites, "key and value"), nodes(model, "SplitFunction"));
  EXPECT_EQ(count_fused(sites, "query and key"), nodes(model, "SplitFunction"));
  EXPECT_EQ(count_fused(sites, "gelu"), nodes(model, "BiasGelu"));
  const int64_t alone = std::ranges::count_if(
      sites, [](const ListedSite& site) { return site.kind == "junction" && !site.not_fused.empty(); });
  EXPECT_EQ(alone, nodes(model, "DropoutFunction"));
  EXPECT_EQ(why_all_rows(model).empty(), model.computes_first_rows_only()) << why_all_rows(model);
}

TEST(SiteList, EverySiteIsListedOnce) {
  for (const TaskKind task : {TaskKind::kClassification, TaskKind::kText}) {
    const auto model = small_model(task);
    std::vector<std::string> expected, got;
    model::for_each_site(*model, [&](auto& site) { expected.push_back(site.info().path); });
    for (const ListedSite& site : listed(*model))
      got.push_back(site.info.path);
    std::ranges::sort(expected);
    std::ranges::sort(got);
    EXPECT_EQ(got, expected);
  }
}

TEST(SiteList, ABareModelFusesWhatItCan) {
  const auto model = small_model();
  expect_what_the_model_does(*model);
  const std::vector<ListedSite> sites = listed(*model);
  EXPECT_EQ(count_fused(sites, "key and value"), 2);  // of three layers
  EXPECT_EQ(site_at(sites, "encoder.layer.2.attention.self.value").not_fused, "queries are of first rows only");
  expect_what_the_model_does(*small_model(TaskKind::kText));
  const auto other = small_model(TaskKind::kClassification, "gelu_new");
  expect_what_the_model_does(*other);
  EXPECT_EQ(site_at(listed(*other), "encoder.layer.0.intermediate.dense").not_fused, "gelu_new is a pass of its own");
}

TEST(SiteList, APatchedSiteRunsByItself) {
  const auto model = small_model();
  patch(model->linear(Role::kQuery, 0));
  patch(model->linear(Role::kValue, 0));
  patch(model->linear(Role::kFfnUp, 1));
  patch(model->junction(Role::kAfterFfn, 1));
  expect_what_the_model_does(*model);
  const std::vector<ListedSite> sites = listed(*model);
  EXPECT_EQ(site_at(sites, "encoder.layer.0.attention.self.key").not_fused, "query and value are patched");
  EXPECT_EQ(site_at(sites, "encoder.layer.1.intermediate.dense").not_fused, "patched: its bias comes before the patch");
  EXPECT_EQ(site_at(sites, "encoder.layer.1.output.LayerNorm").not_fused, "patched: dropout comes before the patch");
  const auto& patches = site_at(sites, "encoder.layer.0.attention.self.query").patches;
  ASSERT_EQ(patches.size(), 1u);
  EXPECT_EQ(patches[0].name, "empty");
  EXPECT_EQ(patches[0].plugin, "of encoder.layer.0.attention.self.query.empty");
}

TEST(SiteList, WhatKeepsTheLastLayerFromFirstRowsIsNamed) {
  const std::vector<std::pair<std::string, std::function<void(model::Bert&)>>> kCases = {
      {"", [](model::Bert& model) { patch(model.attention(2)); }},
      {"", [](model::Bert& model) { patch(model.layer(1)); }},
      {"a patch on encoder.layer.2.attention.self is not row_wise()",
       [](model::Bert& model) { patch(model.attention(2), false); }},
      {"encoder.layer.2 is patched", [](model::Bert& model) { patch(model.layer(2)); }},
      {"embeddings is patched", [](model::Bert& model) { patch(model.trunk()); }},
      {"a patch on encoder is not row_wise(), a patch on head is not row_wise()",
       [](model::Bert& model) {
         patch(model.encoder(), false);
         patch(model.head(), false);
       }},
  };
  for (const auto& [reason, change] : kCases) {
    const auto model = small_model();
    change(*model);
    EXPECT_EQ(why_all_rows(*model), reason);
    expect_what_the_model_does(*model);
  }
  EXPECT_EQ(why_all_rows(*small_model(TaskKind::kText)), "the head reads all rows");
}

}  // namespace
}  // namespace plugtune::app
