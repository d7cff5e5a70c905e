#pragma once
// profiler.h - where the time of training steps goes, by the spans that the model and the trainer record.

#include <ATen/record_function.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/span_cost.h"

namespace plugtune::train {

/// Names that the trainer records beside the model's.
inline constexpr const char* kStepSpan = "step";  ///< one whole optimizer step; the root of all others
inline constexpr const char* kBackwardSpan =
    "backward";  ///< a backward pass; its own time is what no node of the graph takes

/// One span over all steps. Times are its own, without those of the spans inside it, so that all together are the steps' time.
struct SpanTotal {
  std::string name;
  model::SpanWork work;  ///< of the forward pass; what is computed again during the backward pass does not count
  int64_t forward_nanoseconds = 0, backward_nanoseconds = 0;
};

/// One occurrence. Those of a step are nested in its kStepSpan.
struct SpanEvent {
  size_t span = 0;  ///< into Profile::spans
  bool is_backward = false;
  std::string node;  ///< of the autograd graph: its type; "" in the forward pass
  int64_t rows = -1;
  int64_t begin = 0, end = 0;  ///< nanoseconds since start()
};

struct Profile {
  int64_t steps = 0;
  int64_t nanoseconds = 0;        ///< of the steps
  std::vector<SpanTotal> spans;   ///< in the order in which they were first seen; kStepSpan is the first
  std::vector<SpanEvent> events;  ///< in the order of their ends
};

/// Listens to at::RecordFunction in the thread that made it, from start() to stop(): user scopes, and nodes of the graph in the
/// backward pass, whose time is that of the innermost span that was open when the forward pass made them. An accumulation of
/// gradients belongs to the node that it follows. One at a time in a thread.
class Profiler {
 public:
  Profiler();
  ~Profiler();
  Profiler(const Profiler&) = delete;
  Profiler& operator=(const Profiler&) = delete;

  /// From the next kStepSpan on.
  void start();
  void stop();
  const Profile& profile() const noexcept { return profile_; }

  /// What listening adds to the time of one span, measured now.
  static double nanoseconds_per_span();

 private:
  struct Frame {
    size_t span;
    bool is_backward;
    std::string node;
    int64_t rows, begin, inside;  // nanoseconds; `inside`: those of the frames that were in this one
  };
  /// From this number on, nodes of the graph are the span's.
  struct Made {
    uint64_t first;
    size_t span;
  };

  static std::unique_ptr<at::ObserverContext> on_begin(const at::RecordFunction& function);
  static void on_end(const at::RecordFunction& function, at::ObserverContext* context);
  void begin(const at::RecordFunction& function);
  void end();
  void open(size_t span, bool is_backward, const at::RecordFunction& function);
  size_t span_of(const std::string& name);
  size_t span_of_node(uint64_t number) const;
  void nodes_belong_to(size_t span);
  int64_t now() const;

  at::CallbackHandle handle_ = 0;
  bool listening_ = false;
  std::chrono::steady_clock::time_point start_;
  std::map<std::string, size_t> spans_;
  std::vector<Frame> frames_;
  std::vector<Made> made_;  // ascending
  size_t last_node_span_ = 0;
  int64_t outside_ = 0;  // open frames of no step
  Profile profile_;
};

}  // namespace plugtune::train
