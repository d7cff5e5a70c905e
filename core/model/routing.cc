// routing.cc - cutting a batch's rows by run, and joining what comes back.
#include "model/routing.h"

namespace plugtune::model {
namespace {

Tensor cut(const Tensor& rows, const Range& range) { return rows.slice(0, range.begin, range.end); }

Layout cut(const Layout& layout, const Range& sequences) {
  std::vector<int64_t> lengths;
  for (int64_t b = sequences.begin; b < sequences.end; ++b)
    lengths.push_back(layout.length(b));
  return Layout(lengths, layout.device());
}

Range rows_of(const Layout& layout, const Range& sequences) {
  return {layout.offset(sequences.begin), layout.offset(sequences.end)};
}

// What a site is handed, for some of the batch's sequences. Linear sites and the embedding see no layout: the routing knows it.
struct Cut {
  const Routing& routing;
  size_t first, last;

  Tensor operator()(const Tensor& x) const { return cut(x, routing.rows(first, last, x.size(0))); }
  TokenIn operator()(const TokenIn& in) const { return {(*this)(in.ids)}; }
  TrunkIn operator()(const TrunkIn& in) const {
    const Range b = routing.sequences(first, last), rows = rows_of(in.layout, b);
    return {cut(in.words, rows), cut(in.types, rows), cut(in.positions, rows), cut(in.layout, b)};
  }
  EncoderIn operator()(const EncoderIn& in) const { return hidden(in); }
  LayerIn operator()(const LayerIn& in) const { return hidden(in); }
  HeadIn operator()(const HeadIn& in) const { return hidden(in); }
  AttentionIn operator()(const AttentionIn& in) const {
    const Range b = routing.sequences(first, last), queries = rows_of(in.queries, b), keys = rows_of(in.keys, b);
    return {cut(in.q, queries), cut(in.k, keys), cut(in.v, keys), cut(in.queries, b), cut(in.keys, b)};
  }
  JunctionIn operator()(const JunctionIn& in) const {
    const Range b = routing.sequences(first, last), rows = rows_of(in.layout, b);
    return {cut(in.h, rows), cut(in.residual, rows), cut(in.layout, b)};
  }

 private:
  template <class In>
  In hidden(const In& in) const {
    const Range b = routing.sequences(first, last);
    return {cut(in.h, rows_of(in.layout, b)), cut(in.layout, b)};
  }
};

/// The routing inside a site that was handed shares [first, last): for the sites within it.
class Inside {
 public:
  template <class In>
  Inside(Routing& routing, size_t first, size_t last, const In& in) : routing_(routing),
                                                                      before_(routing) {
    const auto begin = before_.shares.begin();
    routing.shares.assign(begin + static_cast<ptrdiff_t>(first), begin + static_cast<ptrdiff_t>(last));
    if constexpr (requires { in.layout; }) routing.layout = in.layout;
  }
  ~Inside() {
    routing_.shares = std::move(before_.shares);
    routing_.layout = before_.layout;
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  Routing& routing_;
  Routing before_;
};

/// A run's values in the model's parameters, for one call.
class Swapped {
 public:
  explicit Swapped(const std::vector<std::pair<Tensor, Tensor>>& values) {
    for (const auto& [parameter, value] : values) {
      before_.emplace_back(parameter, parameter.detach());
      parameter.set_data(value);
    }
  }
  ~Swapped() {
    for (const auto& [parameter, value] : before_)
      parameter.set_data(value);
  }
  Swapped(const Swapped&) = delete;
  Swapped& operator=(const Swapped&) = delete;

 private:
  std::vector<std::pair<Tensor, Tensor>> before_;
};

}  // namespace

Range Routing::sequences(size_t first, size_t last) const {
  Range range;
  for (size_t i = 0; i < last; ++i)
    (i < first ? range.begin : range.end) += shares[i].sequences;
  range.end += range.begin;
  return range;
}

Range Routing::rows(size_t first, size_t last, int64_t all_rows) const {
  const Range range = sequences(first, last);
  if (all_rows == layout.rows()) return rows_of(layout, range);
  TORCH_INTERNAL_ASSERT(all_rows == layout.sequences(), "routing: ", all_rows, " rows of a batch of ", layout.rows());
  return range;
}

template <class In>
Tensor RunSite<In>::forward(const In& in, const Next<In>& next) {
  const Swapped swapped(values_);
  next_ = &next;
  return Site<In>::forward(in);
}

template <class In>
RoutedPatch<In>::RoutedPatch(std::shared_ptr<Routing> routing, std::vector<std::shared_ptr<RunSite<In>>> sites)
    : routing_(std::move(routing)),
      sites_(std::move(sites)) {
  for (size_t run = 0; run < sites_.size(); ++run)
    this->register_module(std::to_string(run), sites_[run]);
}

template <class In>
bool RoutedPatch<In>::row_wise() const {
  for (const auto& site : sites_)
    if (!site->row_wise()) return false;
  return true;
}

template <class In>
Tensor RoutedPatch<In>::run_shares(size_t first, size_t last, const In& in, const Next<In>& next) {
  const size_t run = routing_->shares[first].run;
  const Inside inside(*routing_, first, last, in);
  if (!sites_[run]->differs()) return next(in);
  try {
    return sites_[run]->forward(in, next);
  } catch (...) {
    routing_->failed_run = run;
    throw;
  }
}

template <class In>
Tensor RoutedPatch<In>::forward(const In& in, const Next<In>& next) {
  const std::vector<SharedBase::Share>& shares = routing_->shares;
  const auto differs = [&](size_t i) { return sites_[shares[i].run]->differs(); };
  std::vector<Tensor> parts;
  for (size_t first = 0, last = 0; first < shares.size(); first = last) {
    // Neighbours that have nothing of their own here stay together.
    last = first + 1;
    while (!differs(first) && last < shares.size() && !differs(last))
      ++last;
    if (first == 0 && last == shares.size()) return run_shares(first, last, in, next);
    parts.push_back(run_shares(first, last, Cut{*routing_, first, last}(in), next));
  }
  return torch::cat(parts);
}

#define PLUGTUNE_INSTANTIATE(In) \
  template class RunSite<In>;    \
  template class RoutedPatch<In>;
PLUGTUNE_INSTANTIATE(Tensor)
PLUGTUNE_INSTANTIATE(TokenIn)
PLUGTUNE_INSTANTIATE(TrunkIn)
PLUGTUNE_INSTANTIATE(EncoderIn)
PLUGTUNE_INSTANTIATE(LayerIn)
PLUGTUNE_INSTANTIATE(AttentionIn)
PLUGTUNE_INSTANTIATE(JunctionIn)
PLUGTUNE_INSTANTIATE(HeadIn)
#undef PLUGTUNE_INSTANTIATE

}  // namespace plugtune::model
