// site_list.cc - every site of a model, with what bert.cc and bert_layer.cc make of it.
#include "app/site_list.h"

#include <fmt/format.h>

#include "plugtune/error.h"

namespace plugtune::app {
namespace {

constexpr Role kProjections[] = {Role::kQuery, Role::kKey, Role::kValue};

class Lister {
 public:
  using PluginOf = std::function<std::string(const std::string& patch)>;
  Lister(model::Bert& model, const PluginOf& plugin_of)
      : model_(model),
        plugin_of_(plugin_of),
        rows_(fmt::format("(N, {})", model.info().hidden_size)) {}

  std::vector<ListedSite> list() {
    add(model_.word_embeddings(), "embedding", "(N) -> " + rows_);
    add(model_.trunk(), "trunk", rows_ + " -> " + rows_);
    add(model_.encoder(), "encoder", rows_ + " -> " + rows_);
    for (int64_t layer = 0; layer < model_.info().layers; ++layer)
      add_layer(layer);
    const bool is_language = model_.options().task == TaskKind::kText;
    add(model_.head(), "head", fmt::format("{} -> ({}, {})", rows_, is_language ? "M" : "B", model_.info().labels));
    for (LinearSite* site : model_.all_linear()) {
      if (site->info().layer >= 0) continue;
      add_linear(*site);
      if (site->info().role == Role::kTransform) fuse_activation(*site);
    }
    return std::move(sites_);
  }

 private:
  void add_layer(int64_t layer) {
    add(model_.layer(layer), "layer", rows_ + " -> " + rows_);
    for (const Role role : kProjections) {
      add_linear(model_.linear(role, layer));
      fuse_projection(role, layer);
    }
    const std::string heads = fmt::format("(N, {}, {})", model_.info().heads, model_.info().head_size);
    add(model_.attention(layer), "attention", fmt::format("3 x {} -> {}", heads, heads));
    add_linear(model_.linear(Role::kAttentionOutput, layer));
    add_junction(model_.junction(Role::kAfterAttention, layer));
    add_linear(model_.linear(Role::kFfnUp, layer));
    fuse_activation(model_.linear(Role::kFfnUp, layer));
    add_linear(model_.linear(Role::kFfnDown, layer));
    add_junction(model_.junction(Role::kAfterFfn, layer));
  }

  template <class In>
  void add(const Site<In>& site, const char* kind, const std::string& shape) {
    ListedSite listed{site.info(), kind, shape, {}, "", ""};
    for (const auto& [name, patch] : site.patches())
      listed.patches.push_back({name, plugin_of_(site.info().path + "." + name)});
    sites_.push_back(std::move(listed));
  }

  void add_linear(const LinearSite& site) {
    add(site, "linear", fmt::format("(N, {}) -> (N, {})", site.in_features(), site.out_features()));
  }

  void add_junction(const JunctionSite& site) {
    add(site, "junction", fmt::format("2 x {} -> {}", rows_, rows_));
    fuse(site.bare() ? "" : "patched: dropout comes before the patch", "dropout and residual");
  }

  /// Queries, keys and values of a layer are one product of the same rows.
  void fuse_projection(Role role, int64_t layer) {
    std::vector<std::string> others, patched;
    for (const Role other : kProjections) {
      if (other != role) others.emplace_back(role_name(other));
      if (!model_.linear(other, layer).bare()) patched.emplace_back(role_name(other));
    }
    const bool is_last = layer + 1 == model_.info().layers;
    std::string why;
    if (!patched.empty()) {
      why = fmt::format("{} {} patched", join(patched, " and "), patched.size() == 1 ? "is" : "are");
    } else if (is_last && model_.computes_first_rows_only()) {
      why = "queries are of first rows only";
    }
    fuse(why, join(others, " and "));
  }

  /// The bias of the product is added in the pass of the activation.
  void fuse_activation(const LinearSite& site) {
    const std::string& activation = model_.info().activation;
    const std::string why = activation != "gelu" ? fmt::format("{} is a pass of its own", activation)
                            : site.bare()        ? ""
                                                 : "patched: its bias comes before the patch";
    fuse(why, "gelu");
  }

  /// Of the site that was added last. @param why  it is not; "" when it is
  void fuse(const std::string& why, const std::string& with) {
    (why.empty() ? sites_.back().fused : sites_.back().not_fused) = why.empty() ? with : why;
  }

  model::Bert& model_;
  const PluginOf& plugin_of_;
  std::string rows_;
  std::vector<ListedSite> sites_;
};

}  // namespace

std::vector<ListedSite> list_sites(model::Bert& model, const Lister::PluginOf& plugin_of) {
  return Lister(model, plugin_of).list();
}

std::string why_all_rows(model::Bert& model) {
  if (model.options().task == TaskKind::kText) return "the head reads all rows";
  const int64_t last = model.info().layers - 1;
  std::vector<std::string> reasons;
  const auto need_bare = [&](const auto& site) {
    if (!site.bare()) reasons.push_back(site.info().path + " is patched");
  };
  const auto need_row_wise = [&](const auto& site) {
    if (!site.row_wise()) reasons.push_back("a patch on " + site.info().path + " is not row_wise()");
  };
  need_bare(model.trunk());
  need_row_wise(model.encoder());
  need_bare(model.layer(last));
  need_row_wise(model.attention(last));
  need_row_wise(model.junction(Role::kAfterAttention, last));
  need_row_wise(model.junction(Role::kAfterFfn, last));
  need_row_wise(model.head());
  return join(reasons);
}

}  // namespace plugtune::app
