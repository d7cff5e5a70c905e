// Looks at the neighbouring row of the same sequence, but says that it does not.
#include "sound.h"
class NotRowWise : public plugtune::JunctionPatch {
 public:
  NotRowWise() { scale_ = register_parameter("scale", torch::zeros({1})); }
  bool row_wise() const override { return true; }
  Tensor forward(const plugtune::JunctionIn& in, const plugtune::JunctionNext& next) override {
    const Tensor last = in.layout.first_rows() + in.layout.offsets().diff().to(torch::kInt64) - 1;  // (B)
    const Tensor added = in.h.index_select(0, last).index_select(0, in.layout.row_sequence());
    return next({in.h + scale_ * added, in.residual, in.layout});
  }

 private:
  Tensor scale_;
};
class NotRowWiseStrategy : public plugtune::Strategy {
 public:
  explicit NotRowWiseStrategy(const ConfigView& config) { config.reject_unknown(); }
  void apply(plugtune::Model& model) override {
    for (plugtune::JunctionSite* site : model.all_junctions())
      site->attach("last", std::make_shared<NotRowWise>());
  }
};
PLUGTUNE_STRATEGY(NotRowWiseStrategy, "not-row-wise", "1.0.0", "", 0)
