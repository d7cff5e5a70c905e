// sites.cc - chains of patches, and the spans whose bare form is plain arithmetic.
#include "plugtune/sites.h"

#include <ATen/record_function.h>
#include <sys/mman.h>
#include <torch/nn/functional.h>

#include <algorithm>

#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {
namespace {

/// Zeros on pages that nobody touched yet: a model is made whole before its weights, which lie in a file, take their place.
Tensor untouched_zeros(int64_t rows, int64_t columns) {
  const size_t bytes = static_cast<size_t>(rows * columns) * sizeof(float);
  void* const pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return torch::zeros({rows, columns});  // which says how much was asked for
  return torch::from_blob(
      pages, {rows, columns}, [bytes](void* data) { ::munmap(data, bytes); }, torch::kFloat);
}

// Spans are told to whoever listens to at::RecordFunction (`plugtune bench --profile`), with the tensors that they are computed from,
// whose rows and need of a gradient say what work it was. Nobody listening, a span costs about 30 ns.
using Inputs = std::vector<c10::IValue>;

Inputs inputs_of(const Tensor& in) { return {in}; }
Inputs inputs_of(const TokenIn& in) { return {in.ids}; }
Inputs inputs_of(const TrunkIn& in) { return {in.words}; }
Inputs inputs_of(const EncoderIn& in) { return {in.h}; }
Inputs inputs_of(const LayerIn& in) { return {in.h}; }
Inputs inputs_of(const AttentionIn& in) { return {in.q, in.k, in.v}; }
Inputs inputs_of(const JunctionIn& in) { return {in.h, in.residual}; }
Inputs inputs_of(const HeadIn& in) { return {in.h}; }

}  // namespace

const char* role_name(Role role) noexcept {
  static constexpr const char* kNames[] = {
      "",          "query",           "key",       "value",      "attention_output",
      "ffn_up",    "ffn_down",        "pooler",    "classifier", "after_attention",
      "after_ffn", "word_embeddings", "transform", "decoder"};
  return kNames[static_cast<int32_t>(role)];
}

template <class In>
Tensor Next<In>::operator()(const In& in) const {
  return inner_ == 0 ? site_.base(in) : site_.run(in, inner_);
}

template <class In>
Patch<In>::Patch() = default;
template <class In>
Patch<In>::~Patch() = default;
template <class In>
bool Patch<In>::row_wise() const {
  return std::is_same_v<In, Tensor>;  // a linear patch sees no layout
}

template <class In>
Site<In>::Site(SiteInfo info) : info_(std::move(info)) {}
template <class In>
Site<In>::~Site() = default;

PatchError::PatchError(std::string patch, const std::string& text)
    : std::runtime_error(patch + ": " + text),
      patch_(std::move(patch)) {}
PatchError::~PatchError() = default;

template <class In>
Tensor Site<In>::run(const In& in, size_t inner) {
  const auto& [name, patch] = patches_[inner - 1];
  // Costs nothing unless something is thrown; then the message can say whose code it was.
  const auto path = [&] { return info_.path + "." + name; };
  RECORD_USER_SCOPE_WITH_INPUTS(path(), inputs_of(in));
  try {
    return patch->forward(in, Next<In>(*this, inner - 1));
  } catch (const PatchError&) {
    throw;
  } catch (const c10::Error& error) {
    throw PatchError(path(), error.what_without_backtrace());
  } catch (const std::exception& error) {
    throw PatchError(path(), error.what());
  } catch (...) {
    throw PatchError(path(), "threw something that is no std::exception");
  }
}

template <class In>
void Site<In>::attach(const std::string& name, std::shared_ptr<Patch<In>> patch) {
  TORCH_CHECK(patch != nullptr, "Site::attach: no patch");
  if (name.empty() || name.find('.') != std::string::npos) {
    throw Error(info_.path + ": a patch's name must be neither empty nor have a '.', got '" + name + "'");
  }
  const auto is_taken = [&](const std::string& key) {
    return named_parameters(false).contains(key) || named_children().contains(key);
  };
  std::string free = name;
  for (int number = 2; is_taken(free); ++number)
    free = name + "_" + std::to_string(number);
  register_module(free, patch);
  patches_.emplace_back(free, std::move(patch));
  asked_names_.push_back(name);
}

template <class In>
void Site<In>::detach(const std::string& name) {
  const auto at =
      std::find_if(patches_.begin(), patches_.end(), [&](const auto& patch) { return patch.first == name; });
  if (at == patches_.end()) throw Error(info_.path + ": has no patch named '" + name + "'");
  asked_names_.erase(asked_names_.begin() + (at - patches_.begin()));
  patches_.erase(at);
  unregister_module(name);
}

template <class In>
bool Site<In>::row_wise() const {
  return std::all_of(patches_.begin(), patches_.end(), [](const auto& patch) { return patch.second->row_wise(); });
}

#define PLUGTUNE_INSTANTIATE(In) \
  template class Next<In>;       \
  template class Patch<In>;      \
  template class Site<In>;
PLUGTUNE_INSTANTIATE(Tensor)
PLUGTUNE_INSTANTIATE(TokenIn)
PLUGTUNE_INSTANTIATE(TrunkIn)
PLUGTUNE_INSTANTIATE(EncoderIn)
PLUGTUNE_INSTANTIATE(LayerIn)
PLUGTUNE_INSTANTIATE(AttentionIn)
PLUGTUNE_INSTANTIATE(JunctionIn)
PLUGTUNE_INSTANTIATE(HeadIn)
#undef PLUGTUNE_INSTANTIATE

LinearSite::LinearSite(SiteInfo info, int64_t in_features, int64_t out_features)
    : Site<Tensor>(std::move(info)),
      in_features_(in_features),
      out_features_(out_features) {
  weight = register_parameter("weight", untouched_zeros(out_features, in_features));
  bias = register_parameter("bias", torch::zeros({out_features}));
}
LinearSite::LinearSite(SiteInfo info, Tensor tied_weight)
    : Site<Tensor>(std::move(info)),
      weight(std::move(tied_weight)),
      in_features_(weight.size(1)),
      out_features_(weight.size(0)),
      is_tied_(true) {
  bias = register_parameter("bias", torch::zeros({out_features_}));
}
LinearSite::~LinearSite() = default;
Tensor LinearSite::base(const Tensor& x) {
  RECORD_USER_SCOPE_WITH_INPUTS(info().path, inputs_of(x));
  return torch::linear(x, weight, bias);
}

EmbeddingSite::EmbeddingSite(SiteInfo info, int64_t words, int64_t hidden_size) : Site<TokenIn>(std::move(info)) {
  weight = register_parameter("weight", untouched_zeros(words, hidden_size));
}
EmbeddingSite::~EmbeddingSite() = default;
Tensor EmbeddingSite::base(const TokenIn& in) {
  RECORD_USER_SCOPE_WITH_INPUTS(info().path, inputs_of(in));
  return torch::embedding(weight, in.ids);
}

JunctionSite::JunctionSite(SiteInfo info, int64_t hidden_size, double eps)
    : Site<JunctionIn>(std::move(info)),
      eps_(eps) {
  weight = register_parameter("weight", torch::ones({hidden_size}));
  bias = register_parameter("bias", torch::zeros({hidden_size}));
}
JunctionSite::~JunctionSite() = default;
Tensor JunctionSite::base(const JunctionIn& in) {
  RECORD_USER_SCOPE_WITH_INPUTS(info().path, inputs_of(in));
  return torch::layer_norm(in.h + in.residual, {weight.size(0)}, weight, bias, eps_);
}

TrunkSite::TrunkSite(SiteInfo info) : Site<TrunkIn>(std::move(info)) {}
TrunkSite::~TrunkSite() = default;
EncoderSite::EncoderSite(SiteInfo info) : Site<EncoderIn>(std::move(info)) {}
EncoderSite::~EncoderSite() = default;
LayerSite::LayerSite(SiteInfo info) : Site<LayerIn>(std::move(info)) {}
LayerSite::~LayerSite() = default;
AttentionSite::AttentionSite(SiteInfo info) : Site<AttentionIn>(std::move(info)) {}
AttentionSite::~AttentionSite() = default;
HeadSite::HeadSite(SiteInfo info) : Site<HeadIn>(std::move(info)) {}
HeadSite::~HeadSite() = default;

}  // namespace v1
}  // namespace plugtune
