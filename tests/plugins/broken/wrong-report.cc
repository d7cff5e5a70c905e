// Names one row and two columns, and has five of each.
#include "sound.h"
class WrongReport : public SoundStrategy, public plugtune::Reporter {
 public:
  using SoundStrategy::SoundStrategy;
  void report_begin() override {}
  std::vector<plugtune::ReportTable> report_end() override {
    return {{"scales", {"query"}, {"least", "most"}, torch::zeros({5, 5}, torch::kFloat64)}};
  }
};
PLUGTUNE_STRATEGY(WrongReport, "wrong-report", "1.0.0", "", 0)
