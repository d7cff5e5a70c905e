#pragma once
// settings.h - the [train] and [eval] tables, typed and checked.

#include <cstdint>
#include <string>

namespace plugtune::train {

enum class ScheduleKind { kLinear, kCosine, kConstant };
enum class Precision { kFp32, kBf16 };
/// How often something happens: every n optimizer steps, at the end of each epoch (kEpoch), or never (kNever).
struct Every {
  static constexpr int64_t kEpoch = -1, kNever = 0;
  int64_t steps = kEpoch;
};

struct TrainSettings {
  double epochs = 3;               ///< fractions allowed; ignored when steps > 0
  int64_t steps = 0;               ///< optimizer steps; 0: as many as `epochs` needs
  int64_t batch_size = 32;         ///< sequences per optimizer step
  int64_t micro_batch_tokens = 0;  ///< rows of one forward pass; 0: chosen
  int64_t memory = 0;              ///< bytes that the training may take; micro-batches are chosen so. 0: not limited
  bool recompute = false;          ///< compute layers again in backward instead of keeping them
  bool group_by_length = false;    ///< batches of similar lengths
  bool cache_frozen = true;  ///< the lowest layers, while nothing trains in them, compute without dropout, and once
  double learning_rate = 5e-4;
  ScheduleKind schedule = ScheduleKind::kLinear;
  double warmup_ratio = 0;  ///< of all steps; warmup_steps wins when given
  int64_t warmup_steps = 0;
  double weight_decay = 0;  ///< of everything but biases and LayerNorms
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double max_grad_norm = 1.0;  ///< global L2 norm; 0: no clipping
  Precision precision = Precision::kFp32;
  std::string device = "cpu";
  int threads = 0;         ///< 0: all cores
  int64_t log_every = 50;  ///< steps
  Every checkpoint_every;
  int64_t keep_checkpoints = 1;  ///< the newest ones
};

struct EvalSettings {
  Every every;
  std::string metric = "accuracy";  ///< decides the best checkpoint; "loss" counts downwards
  int64_t patience = 0;             ///< evaluations without improvement before training stops; 0: never
  bool keep_best = false;           ///< the delta kept is that of the best evaluation, not of the last step
  int64_t batch_tokens = 1024;      ///< rows of one forward pass
};

}  // namespace plugtune::train
