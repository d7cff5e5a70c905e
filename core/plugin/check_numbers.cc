// check_numbers.cc - what a strategy computes: shapes, identity, gradients, folding, packing, types, modes.
#include "plugin/check_numbers.h"

#include <ATen/CPUGeneratorImpl.h>

#include <set>

#include "formats/wording.h"
#include "plugtune/error.h"

namespace plugtune::plugin {
namespace {

constexpr double kTolerance = 1e-5;
constexpr double kFloat64Tolerance = 1e-4;
constexpr double kBFloat16Tolerance = 0.15;  // eight bits of mantissa through two layers
constexpr size_t kNamesShown = 3;

template <class In>
void check_site(Trial& trial, Site<In>& site, const In& in, const std::vector<int64_t>& expected,
                torch::ScalarType type) {
  if (site.bare()) return;
  const Tensor out = trial.plugin().call("forward()", [&] { return site.forward(in); });
  if (!out.defined()) fail("{}: its patches return an undefined tensor", site.info().path);
  if (out.sizes() != expected) {
    fail("{}: its patches return shape {}, must be {}", site.info().path, formats::shape_text(out.sizes()),
         formats::shape_text(expected));
  }
  if (out.scalar_type() != type) {
    fail("{}: its patches return {} for {}; a patch computes in the type of its input", site.info().path,
         c10::toString(out.scalar_type()), c10::toString(type));
  }
}

/// "'a', 'b', 'c' and 4 more"
std::string some_names(const std::vector<std::string>& names) {
  std::vector<std::string> shown;
  for (const std::string& name : names) {
    if (shown.size() < kNamesShown) shown.push_back("'" + name + "'");
  }
  return join(shown) + (names.size() > kNamesShown ? fmt::format(" and {} more", names.size() - kNamesShown) : "");
}

/// Folds the patches of a site in double into copies of its weights and compares; false when a patch cannot be folded.
template <class Capability, class PatchedSite, class Compute, class Fold>
bool check_folded_site(Trial& trial, PatchedSite& site, const Compute& patched, const Fold& fold_and_compute) {
  std::vector<const Capability*> foldables;
  for (const auto& [name, patch] : site.patches())
    foldables.push_back(dynamic_cast<const Capability*>(patch.get()));
  if (foldables.empty() || std::find(foldables.begin(), foldables.end(), nullptr) != foldables.end()) return false;

  const Tensor expected = trial.plugin().call("forward()", patched);
  for (const auto& [name, patch] : site.patches())
    patch->to(torch::kFloat64);
  const Tensor folded = trial.plugin().call("fold()", [&] { return fold_and_compute(foldables); });
  for (const auto& [name, patch] : site.patches())
    patch->to(torch::kFloat32);
  const double error = difference(folded, expected);
  if (!(error < kTolerance)) {
    fail("{}: the folded weights compute something else, off by {:.2g}; at most {:g} is allowed", site.info().path,
         error, kTolerance);
  }
  return true;
}

void check_type(Trial& trial, torch::ScalarType type, const Tensor& reference, double tolerance) {
  trial.model().to(type);
  check_site_shapes(trial);
  const Tensor hidden = trial.hidden();
  if (hidden.scalar_type() != type) {
    fail("the hidden rows of a {} model are {}; a patch computes in the type of its input", c10::toString(type),
         c10::toString(hidden.scalar_type()));
  }
  const double error = difference(trial.logits(), reference);
  if (!(error < tolerance))
    fail("in {} the logits are off by {:.2g}, more than its rounding explains", c10::toString(type), error);
}

}  // namespace

void check_site_shapes(Trial& trial) {
  torch::NoGradGuard no_grad;
  model::Bert& model = trial.model();
  model.eval();
  const ModelInfo& info = model.info();
  const torch::ScalarType type = model.word_embeddings().weight.scalar_type();
  const TrialBatch batch = trial_batch({4, 1, 3});
  const Layout& layout = batch.input.layout;
  const int64_t rows = layout.rows(), hidden = info.hidden_size;
  auto generator = at::detail::createCPUGenerator(/*seed=*/13);
  const auto random = [&](std::vector<int64_t> shape) {
    return torch::randn(shape, generator, torch::kFloat32).to(type);
  };
  const Tensor h = random({rows, hidden});
  const auto heads = [&] { return random({rows, info.heads, info.head_size}); };

  check_site<TokenIn>(trial, model.word_embeddings(), {batch.input.ids}, {rows, hidden}, type);
  check_site<TrunkIn>(trial, model.trunk(), {h, batch.input.types, batch.input.positions, layout}, {rows, hidden},
                      type);
  check_site<EncoderIn>(trial, model.encoder(), {h, layout}, {rows, hidden}, type);
  for (int64_t i = 0; i < info.layers; ++i) {
    check_site<LayerIn>(trial, model.layer(i), {h, layout}, {rows, hidden}, type);
    check_site<AttentionIn>(trial, model.attention(i), {heads(), heads(), heads(), layout, layout},
                            {rows, info.heads, info.head_size}, type);
  }
  for (LinearSite* site : model.all_linear()) {
    check_site<Tensor>(trial, *site, random({rows, site->in_features()}), {rows, site->out_features()}, type);
  }
  for (JunctionSite* site : model.all_junctions()) {
    check_site<JunctionIn>(trial, *site, {h, random({rows, hidden}), layout}, {rows, hidden}, type);
  }
  check_site<HeadIn>(trial, model.head(), {h, layout}, {layout.sequences(), info.labels}, type);
}

std::string check_identity(const CheckSubject& subject) {
  Trial trial(subject, subject.load());
  if (trial.plugin().has_flag(PLUGTUNE_FLAG_NOT_IDENTITY)) skip("says that it is not (PLUGTUNE_FLAG_NOT_IDENTITY)");
  const Tensor before = trial.logits();
  trial.apply();
  const double error = difference(trial.logits(), before);
  if (error < kTolerance) return "";
  fail("apply() changes the logits by {:.2g}; start where the model was, or declare PLUGTUNE_FLAG_NOT_IDENTITY", error);
}

std::string check_gradients(const CheckSubject& subject) {
  Trial trial(subject, subject.load());
  trial.apply();
  const auto trainables = trial.trainables();
  const auto frozen = trial.frozen();
  std::vector<Tensor> frozen_values;
  for (const auto& [name, parameter] : frozen)
    frozen_values.push_back(parameter.detach().clone());

  std::set<std::string> reached;
  trial.train(2, /*with_head=*/true, [&] {
    for (const auto& [name, parameter] : trainables) {
      if (parameter.grad().defined() && parameter.grad().any().item<bool>()) reached.insert(name);
    }
    for (const auto& [name, parameter] : frozen) {
      if (parameter.grad().defined()) fail("'{}' is frozen, but gets a gradient", name);
    }
  });
  for (size_t i = 0; i < frozen.size(); ++i) {
    if (!same_bits(frozen[i].second, frozen_values[i]))
      fail("'{}' is frozen, but training changes it", frozen[i].first);
  }
  std::vector<std::string> missed;
  for (const auto& [name, parameter] : trainables) {
    if (!reached.contains(name)) missed.push_back(name);
  }
  if (missed.empty()) return "";
  fail("no gradient within 2 steps for {}; is it used in forward(), and not detached?", some_names(missed));
}

std::string check_loss_falls(const CheckSubject& subject) {
  Trial trial(subject, subject.load());
  trial.apply();
  const bool with_head = trial.trainables().empty();
  const double before = trial.loss();
  trial.train(20, with_head);
  const double after = trial.loss();
  const std::string path = fmt::format("{:.4f} -> {:.4f}", before, after);
  if (!(after < before)) fail("20 steps of training do not make the loss smaller: {}", path);
  return path;
}

std::string check_fold(const CheckSubject& subject) {
  Trial trial(subject, subject.load());
  trial.apply();
  trial.train(3);
  model::Bert& model = trial.model();
  model.eval();
  torch::NoGradGuard no_grad;
  auto generator = at::detail::createCPUGenerator(/*seed=*/17);
  size_t folded_sites = 0;
  for (LinearSite* site : model.all_linear()) {
    const Tensor x = torch::randn({16, site->in_features()}, generator);
    folded_sites += check_folded_site<Foldable>(
        trial, *site, [&] { return site->forward(x); },
        [&](const std::vector<const Foldable*>& patches) {
          Tensor weight = site->weight.to(torch::kFloat64), bias = site->bias.to(torch::kFloat64);
          for (const Foldable* patch : patches)
            patch->fold(weight, bias);
          return torch::linear(x.to(torch::kFloat64), weight, bias);
        });
  }
  EmbeddingSite& words = model.word_embeddings();
  const Tensor ids = torch::arange(model.info().vocabulary_size);
  folded_sites += check_folded_site<FoldableEmbedding>(
      trial, words, [&] { return words.forward({ids}); },
      [&](const std::vector<const FoldableEmbedding*>& patches) {
        Tensor weight = words.weight.to(torch::kFloat64);
        for (const FoldableEmbedding* patch : patches)
          patch->fold(weight);
        return torch::embedding(weight, ids);
      });
  if (folded_sites == 0) skip("no patch can be folded");
  const size_t patched_sites = model.patched_sites().size();
  if (folded_sites < patched_sites)
    return fmt::format("{} of {} fold", folded_sites, counted(patched_sites, "patched site"));

  const Tensor before = trial.logits();
  trial.plugin().call("fold()", [&] { model.fold(); });
  const double error = difference(trial.logits(), before);
  if (!(error < kTolerance))
    fail("the folded model's logits are off by {:.2g}; at most {:g} is allowed", error, kTolerance);
  return counted(folded_sites, "site");
}

std::string check_packed(const CheckSubject& subject) {
  Trial trial(subject, subject.load());
  trial.apply();
  trial.train(3);
  const TrialBatch& batch = ragged_batch();
  const Layout& layout = batch.input.layout;
  const Tensor hidden = trial.hidden(), logits = trial.logits();
  for (int64_t b = 0; b < layout.sequences(); ++b) {
    const TrialBatch alone = single_sequence(batch, b);
    const double error = std::max(difference(hidden.narrow(0, layout.offset(b), layout.length(b)), trial.hidden(alone)),
                                  difference(logits.narrow(0, b, 1), trial.logits(alone)));
    if (error < kTolerance) continue;
    fail(
        "sequence {} of {} ({}) is off by {:.2g} from what it is alone; a patch mixes rows of different sequences, or "
        "keeps "
        "something from batch to batch",
        b + 1, layout.sequences(), counted(static_cast<size_t>(layout.length(b)), "token"), error);
  }
  trial.model().set_first_rows_only(false);
  const double error = difference(logits, trial.logits());
  if (!(error < kTolerance)) {
    fail("with first rows only the logits are off by {:.2g}; a patch whose row_wise() is true uses other rows", error);
  }
  return "";
}

std::string check_types(const CheckSubject& subject) {
  const Plugin plugin = subject.load();
  for (const auto& [type, tolerance] :
       {std::pair(torch::kFloat64, kFloat64Tolerance), std::pair(torch::kBFloat16, kBFloat16Tolerance)}) {
    Trial trial(subject, plugin);
    trial.apply();
    trial.train(3);
    const Tensor reference = trial.logits();
    check_type(trial, type, reference, tolerance);
  }
  return "";
}

std::string check_modes(const CheckSubject& subject) {
  Trial trial(subject, subject.load());
  trial.apply();
  trial.train(1);
  const auto generator = at::detail::getDefaultCPUGenerator();
  const Tensor state = generator.get_state();
  const Tensor first = trial.logits();
  if (!same_bits(state, generator.get_state())) {
    fail("draws random numbers in evaluation mode; drop out only while is_training()");
  }
  if (!same_bits(first, trial.logits())) fail("gives another output each time in evaluation mode");
  return "";
}

}  // namespace plugtune::plugin
