// folding.cc - patches absorbed into the weights that they wrap, and the way back to the same bits.
#include <type_traits>

#include "model/bert.h"
#include "plugtune/capability.h"

namespace plugtune::model {
namespace {

/// A patch's floating-point values are doubles while this lives. Afterwards it has the very tensors that it had before.
class InDouble {
 public:
  explicit InDouble(const torch::nn::Module& patch) {
    for (const auto& tensors : {patch.parameters(), patch.buffers()}) {
      for (Tensor tensor : tensors) {
        if (!tensor.is_floating_point()) continue;  // an index stays one
        values_.emplace_back(tensor, tensor.detach());
        tensor.set_data(tensor.to(torch::kFloat64));
      }
    }
  }
  ~InDouble() {
    for (auto value = values_.rbegin(); value != values_.rend(); ++value)
      value->first.set_data(value->second);
  }
  InDouble(const InDouble&) = delete;
  InDouble& operator=(const InDouble&) = delete;

 private:
  std::vector<std::pair<Tensor, Tensor>> values_;
};

/// A copy to fold into, in double: many small updates must not round one after another.
Tensor double_copy(const Tensor& weight) {
  return weight.detach().to(torch::kFloat64, /*non_blocking=*/false, /*copy=*/true);
}

/// Weights that are computed and not in the model yet: a plugin that throws leaves everything as it was.
class NewWeights {
 public:
  void add(const SiteInfo& site, const Tensor& parameter, const Tensor& value) {
    TORCH_CHECK(value.sizes() == parameter.sizes(), site.path, ": its patches' fold() gives sizes ", value.sizes(),
                ", it must keep ", parameter.sizes());
    values_.emplace_back(parameter, value.to(parameter.scalar_type()).contiguous());
  }
  /// @param before  gets each parameter with the data that it had
  void put_into_model(std::vector<std::pair<Tensor, Tensor>>& before) {
    for (auto& [parameter, value] : values_) {
      before.emplace_back(parameter, parameter.detach());
      parameter.set_data(value);
    }
  }

 private:
  std::vector<std::pair<Tensor, Tensor>> values_;
};

template <class Capability, class In, class FoldInto>
void fold_patches(const Site<In>& site, const FoldInto& fold_into) {
  for (const auto& [name, patch] : site.patches()) {
    const InDouble in_double(*patch);
    fold_into(dynamic_cast<const Capability&>(*patch));
  }
}

/// attach() makes the names from what it is asked for, unless others were there before and are gone.
template <class In>
void attach_as(Site<In>& site, const std::string& asked, const std::string& name,
               const std::shared_ptr<Patch<In>>& patch) {
  site.attach(asked, patch);
  const std::string got = site.patches().back().first;
  if (got == name) return;
  site.detach(got);
  site.attach(name, patch);
}

template <class In>
void take_off(Site<In>& site, std::vector<std::function<void()>>& put_on) {
  const auto patches = site.patches();
  for (size_t i = 0; i < patches.size(); ++i) {
    put_on.push_back([&site, asked = site.asked_names()[i], name = patches[i].first, patch = patches[i].second] {
      attach_as(site, asked, name, patch);
    });
  }
  for (const auto& [name, patch] : patches)
    site.detach(name);
}

}  // namespace

Folded Bert::fold() {
  torch::NoGradGuard no_grad;
  refuse_unfoldable();
  NewWeights weights;
  for (const LinearSite* site : linears_) {
    if (site->bare()) continue;
    Tensor weight = double_copy(site->weight), bias = double_copy(site->bias);
    fold_patches<Foldable>(*site, [&](const Foldable& patch) { patch.fold(weight, bias); });
    weights.add(site->info(), site->weight, weight);
    weights.add(site->info(), site->bias, bias);
  }
  if (!words_->bare()) {
    Tensor weight = double_copy(words_->weight);
    fold_patches<FoldableEmbedding>(*words_, [&](const FoldableEmbedding& patch) { patch.fold(weight); });
    weights.add(words_->info(), words_->weight, weight);
  }
  Folded folded;
  weights.put_into_model(folded.weights);
  for (LinearSite* site : linears_)
    take_off(*site, folded.put_on);
  take_off(*words_, folded.put_on);
  return folded;
}

void Bert::unfold(const Folded& folded) {
  torch::NoGradGuard no_grad;
  const std::vector<std::string> patched = patched_sites();
  TORCH_CHECK(patched.empty(), "Bert::unfold: patches were attached since: ", patched);
  for (auto [parameter, data] : folded.weights)
    parameter.set_data(data);
  for (const auto& put_on : folded.put_on)
    put_on();
}

}  // namespace plugtune::model
