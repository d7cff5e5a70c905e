#pragma once
// routing.h - a patch that hands each run's rows to the patches of that run; used by shared_base.cc alone.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/shared_base.h"

namespace plugtune::model {

/// Rows [begin, end).
struct Range {
  int64_t begin = 0, end = 0;
};

/// Whose rows are on their way through the model. A span that a run wraps sees that run's alone.
class Routing {
 public:
  std::vector<SharedBase::Share> shares;
  Layout layout;          ///< of the rows, where more than one run has some
  size_t failed_run = 0;  ///< the last whose patch threw

  /// Rows of shares [first, last) in a tensor that has either all rows, or one of each sequence.
  Range rows(size_t first, size_t last, int64_t all_rows) const;
  Range sequences(size_t first, size_t last) const;
};

/// One run's patches at one site. Its bare span is whatever the model does there, with the run's own values.
template <class In>
class RunSite final : public Site<In> {
 public:
  using Patches = std::vector<std::pair<std::string, std::shared_ptr<Patch<In>>>>;
  /// @param values  parameters of the model and what they are for this run
  RunSite(const SiteInfo& info, const Patches& patches, std::vector<std::pair<Tensor, Tensor>> values)
      : Site<In>(info),
        values_(std::move(values)) {
    for (const auto& [name, patch] : patches)
      this->attach(name, patch);
  }
  bool differs() const noexcept { return !this->bare() || !values_.empty(); }
  Tensor forward(const In& in, const Next<In>& next);

 protected:
  Tensor base(const In& in) override { return (*next_)(in); }

 private:
  std::vector<std::pair<Tensor, Tensor>> values_;
  const Next<In>* next_ = nullptr;  // during forward()
};

template <class In>
class RoutedPatch final : public Patch<In> {
 public:
  /// @param sites  of every run, in their order
  RoutedPatch(std::shared_ptr<Routing> routing, std::vector<std::shared_ptr<RunSite<In>>> sites);
  Tensor forward(const In& in, const Next<In>& next) override;
  bool row_wise() const override;

 private:
  Tensor run_shares(size_t first, size_t last, const In& in, const Next<In>& next);

  std::shared_ptr<Routing> routing_;
  std::vector<std::shared_ptr<RunSite<In>>> sites_;
};

}  // namespace plugtune::model
