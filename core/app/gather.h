#pragma once
// gather.h - going on behind a mistake, so that all mistakes of an experiment are told together.

#include "experiment/experiment.h"
#include "plugtune/error.h"

namespace plugtune::app {

/// Runs `step`; the problems of what it throws join those of the file.
template <class Step>
void gather(experiment::Experiment& experiment, const Step& step) {
  try {
    step();
  } catch (const Error& error) {
    experiment.add_problems(error);
  }
}

}  // namespace plugtune::app
