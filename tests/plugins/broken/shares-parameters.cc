// All models of the process train one and the same parameter.
#include "sound.h"
class SharesParameters : public plugtune::LinearPatch {
 public:
  explicit SharesParameters(const plugtune::LinearSite& site) {
    static const Tensor shared = torch::ones({site.out_features()});
    scale_ = register_parameter("scale", shared);
  }
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override { return next(x) * scale_; }

 private:
  Tensor scale_;
};
PLUGTUNE_STRATEGY(StrategyOf<SharesParameters>, "shares-parameters", "1.0.0", "", 0)
