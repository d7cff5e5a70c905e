// study.cc - fuzz target: study files, and the plan of one that has no problems.
#include "experiment/toml.h"
#include "fuzz/fuzz.h"
#include "study/plan.h"

using namespace plugtune;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  study::Study read;
  if (!fuzz::accepted([&] { read = study::read_study(fuzz::file("x.toml", fuzz::text(data, size))); })) return 0;
  fuzz::accepted([&] { read.throw_if_problems(); });
  if (!read.problems.empty()) return 0;

  fuzz::must_succeed("a study without problems has a plan", [&] {
    // Every run that is asked for has come to its end, so that all of the study is planned.
    const study::Plan plan =
        study::make_plan(read, "accuracy", [](const std::string& id) { return static_cast<double>(id.size()); });
    for (const study::PlannedRun& run : plan.runs) {
      const std::string written = experiment::write_toml(run.tables);
      fuzz::require(experiment::write_toml(experiment::parse_toml(written, "written")) == written,
                    "equal tables are equal text");
      for (const std::string& source : run.sources)
        fuzz::require(plan.find(source) != nullptr, "a source is planned too, but not " + source);
    }
    for (const study::Choice& choice : plan.choices)
      fuzz::require(choice.rate.has_value(), "a rate of those that came to their end is chosen");
  });
  return 0;
}
