// schedule.cc - linear, cosine and constant schedules with warm-up.
#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace plugtune::train {

int64_t warmup_steps(const TrainSettings& settings, int64_t total_steps) {
  if (settings.warmup_steps > 0) return settings.warmup_steps;
  return static_cast<int64_t>(std::ceil(settings.warmup_ratio * static_cast<double>(total_steps)));
}

double schedule_factor(ScheduleKind kind, int64_t step, int64_t warmup_steps, int64_t total_steps) {
  const auto at = static_cast<double>(step), warmup = static_cast<double>(warmup_steps),
             total = static_cast<double>(total_steps);
  if (step < warmup_steps) return at / std::max(1.0, warmup);
  const double rest = std::max(1.0, total - warmup);
  switch (kind) {
    case ScheduleKind::kLinear:
      return std::max(0.0, (total - at) / rest);
    case ScheduleKind::kCosine:
      return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * (at - warmup) / rest)));
    case ScheduleKind::kConstant:
      break;
  }
  return 1.0;
}

}  // namespace plugtune::train
