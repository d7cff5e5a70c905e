// diagnose.cc - a patch on every layer that looks at what passes through it.
#include "train/diagnose.h"

namespace plugtune::train {
namespace {

bool finite(const Tensor& tensor) { return torch::isfinite(tensor).all().item<bool>(); }

/// Remembers the first of the sites that gave a value that is not finite.
template <class In>
class FiniteProbe final : public Patch<In> {
 public:
  FiniteProbe(std::string path, std::string& first) : path_(std::move(path)), first_(first) {}
  Tensor forward(const In& in, const Next<In>& next) override {
    const Tensor out = next(in);
    if (first_.empty() && !finite(out)) first_ = path_;
    return out;
  }

 private:
  std::string path_;
  std::string& first_;
};

constexpr const char* kProbe = "finite_probe";

template <class In>
void probe(Site<In>& site, std::string& first) {
  site.attach(kProbe, std::make_shared<FiniteProbe<In>>(site.info().path, first));
}

std::string first_bad_site(model::Bert& model, const std::vector<data::Batch>& step) {
  torch::NoGradGuard no_grad;
  std::string first;
  probe(model.word_embeddings(), first);
  for (int64_t i = 0; i < model.info().layers; ++i)
    probe(model.layer(i), first);
  probe(model.head(), first);
  for (const data::Batch& batch : step)
    model.forward(batch.input);
  model.word_embeddings().detach(kProbe);
  for (int64_t i = 0; i < model.info().layers; ++i)
    model.layer(i).detach(kProbe);
  model.head().detach(kProbe);
  return first;
}

}  // namespace

std::string first_not_finite_parameter(const FlatOptimizer& optimizer) {
  for (const std::string& name : optimizer.names())
    if (!finite(optimizer.master(name))) return name;
  return "";
}

std::string first_not_finite(model::Bert& model, const std::vector<data::Batch>& step, const FlatOptimizer& optimizer) {
  if (const std::string name = first_not_finite_parameter(optimizer); !name.empty())
    return "the trained values of " + name + " are not finite";
  const std::string site = first_bad_site(model, step);
  if (!site.empty()) return site + " gives values that are not finite";
  // Backward runs from the head down: the last one in forward order is where it began.
  for (auto name = optimizer.names().rbegin(); name != optimizer.names().rend(); ++name) {
    if (!finite(optimizer.gradient(*name))) return "the gradient of " + *name + " is not finite";
  }
  return "the values are finite again when the step is repeated; it happened under dropout or in an auxiliary loss";
}

}  // namespace plugtune::train
