#pragma once
// schedule.h - the learning rate's course over the steps, as transformers' schedules.

#include "train/settings.h"

namespace plugtune::train {

/// The factor of the learning rate at `step` (from 0) of `total_steps`: rises linearly to 1 over the warm-up steps, then
/// falls to 0 linearly or as a half cosine, or stays.
double schedule_factor(ScheduleKind kind, int64_t step, int64_t warmup_steps, int64_t total_steps);

/// warmup_steps, or ceil(warmup_ratio * total_steps) when none are given.
int64_t warmup_steps(const TrainSettings& settings, int64_t total_steps);

}  // namespace plugtune::train
