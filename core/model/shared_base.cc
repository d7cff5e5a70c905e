// shared_base.cc - runs put on and taken off one model.
#include "model/shared_base.h"

#include <any>

#include "model/each_site.h"
#include "model/precision.h"
#include "model/routing.h"

namespace plugtune::model {
namespace {

constexpr const char* kRoutedName = "runs";

template <class In>
using Patches = typename RunSite<In>::Patches;

bool is_of_head(const std::string& name) { return is_head_parameter(name) || name.starts_with("pooler."); }

}  // namespace

struct SharedBase::Run {
  std::map<std::string, Tensor> values;     // of base parameters, by name
  std::map<std::string, std::any> patches;  // Patches<In> of each patched site, by path
  bool goes_alone = false;

  template <class In>
  Patches<In> at(const Site<In>& site) const {
    const auto found = patches.find(site.info().path);
    return found == patches.end() ? Patches<In>() : std::any_cast<Patches<In>>(found->second);
  }
};

SharedBase::SharedBase(std::shared_ptr<Bert> bert) : bert_(std::move(bert)) {
  for (const auto& [name, parameter] : bert_->own_parameters()) {
    parameters_.emplace(name, parameter);
    originals_.emplace(name, parameter.detach());
  }
}
SharedBase::~SharedBase() = default;

void SharedBase::begin_run() {
  take_off();
  runs_.push_back(std::make_unique<Run>());
  selected_ = runs_.size() - 1;
}

void SharedBase::own(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const Tensor copy = originals_.at(name).clone();
    parameters_.at(name).set_data(copy);
    runs_[selected_]->values.emplace(name, copy);
  }
}

std::vector<std::string> SharedBase::owned(size_t run) const {
  std::vector<std::string> names;
  for (const auto& [name, value] : runs_.at(run)->values)
    names.push_back(name);
  return names;
}

void SharedBase::take_off() {
  Run* run = routing_ == nullptr && !runs_.empty() ? runs_[selected_].get() : nullptr;
  if (run != nullptr) run->patches.clear();
  for_each_site(*bert_, [&]<class In>(Site<In>& site) {
    const Patches<In> patches = site.patches();
    if (patches.empty()) return;
    if (run != nullptr) run->patches.emplace(site.info().path, patches);
    for (const auto& [name, patch] : patches)
      site.detach(name);
  });
  if (run != nullptr) {
    const auto has = [&](const auto& site) { return run->patches.contains(site.info().path); };
    run->goes_alone = has(bert_->trunk()) || has(bert_->encoder()) || has(bert_->head());
    for (int64_t i = 0; i < bert_->info().layers; ++i)
      run->goes_alone = run->goes_alone || has(bert_->layer(i));
  }
  routing_.reset();
  for (auto& [name, parameter] : parameters_)
    parameter.set_data(originals_.at(name));
  bert_->freeze_base();
}

void SharedBase::put_on(const Run& run) {
  for_each_site(*bert_, [&]<class In>(Site<In>& site) {
    for (const auto& [name, patch] : run.at(site))
      site.attach(name, patch);
  });
  for (const auto& [name, value] : run.values) {
    parameters_.at(name).set_data(value);
    if (!is_head_parameter(name)) bert_->train_base(name);
  }
}

void SharedBase::convert(torch::ScalarType type) {
  take_off();
  model::convert(*bert_, type);
  for (auto& [name, original] : originals_)
    original = parameters_.at(name).detach();
  for (const auto& run : runs_) {
    for (auto& [name, value] : run->values)
      value = value.to(type);
    for_each_site(*bert_, [&]<class In>(Site<In>& site) {
      for (const auto& [name, patch] : run->at(site))
        model::convert(*patch, type);
    });
  }
  put_on(*runs_.at(selected_));
}

void SharedBase::select(size_t run) {
  if (routing_ == nullptr && run == selected_) return;
  take_off();
  put_on(*runs_.at(run));
  selected_ = run;
}

std::vector<std::string> SharedBase::unshareable(size_t run) const {
  std::vector<std::string> names = owned(run);
  std::erase_if(names, is_of_head);
  return names;
}

bool SharedBase::goes_alone(size_t run) const { return runs_.at(run)->goes_alone; }

void SharedBase::route() {
  take_off();
  routing_ = std::make_shared<Routing>();
  for_each_site(*bert_, [&]<class In>(Site<In>& site) {
    std::vector<std::shared_ptr<RunSite<In>>> sites;
    bool differs = false;
    for (const auto& run : runs_) {
      std::vector<std::pair<Tensor, Tensor>> values;
      if constexpr (std::is_same_v<In, Tensor>) {
        for (const auto& [name, value] : run->values)
          if (name.starts_with(site.info().path + ".")) values.emplace_back(parameters_.at(name), value);
      }
      sites.push_back(std::make_shared<RunSite<In>>(site.info(), run->at(site), std::move(values)));
      differs = differs || sites.back()->differs();
    }
    if (differs) site.attach(kRoutedName, std::make_shared<RoutedPatch<In>>(routing_, std::move(sites)));
  });
  bert_->eval();
}

Tensor SharedBase::forward(const Input& input, const std::vector<Share>& shares) {
  torch::NoGradGuard no_grad;
  if (routing_ == nullptr) route();
  int64_t sequences = 0;
  for (const Share& share : shares) {
    TORCH_CHECK(unshareable(share.run).empty(), "SharedBase::forward: run ", share.run, " trains the base itself");
    sequences += share.sequences;
  }
  TORCH_CHECK(sequences == input.layout.sequences(), "SharedBase::forward: the shares have ", sequences,
              " sequences, the batch ", input.layout.sequences());
  routing_->shares = shares;
  routing_->layout = input.layout;
  return bert_->forward(input);
}

size_t SharedBase::failed_run() const { return routing_ == nullptr ? selected_ : routing_->failed_run; }

}  // namespace plugtune::model
