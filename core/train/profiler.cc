// profiler.cc - spans as a stack of open frames, and nodes of the graph by the numbers that autograd gives them.
#include "train/profiler.h"

#include <ATen/SequenceNumber.h>

#include <algorithm>

namespace plugtune::train {
namespace {

thread_local Profiler* current = nullptr;

/// What autograd numbers accumulations of gradients with: they run as soon as they can.
constexpr uint64_t kAccumulation = UINT64_MAX;

/// Adds what the inputs of a span say of it; returns its rows, -1 where it has none.
int64_t add_work(c10::ArrayRef<const c10::IValue> inputs, model::SpanWork& work) {
  if (inputs.empty() || !inputs[0].isTensor() || !inputs[0].toTensor().defined() || inputs[0].toTensor().dim() == 0)
    return -1;
  const int64_t rows = inputs[0].toTensor().size(0);
  int64_t pairs = 0;
  bool needs_gradient = false;
  for (const c10::IValue& input : inputs) {
    if (input.isTensor()) needs_gradient = needs_gradient || input.toTensor().requires_grad();
    if (input.isInt()) pairs += input.toInt();
  }
  ++work.calls;
  work.rows += rows;
  work.pairs += pairs;
  if (needs_gradient) {
    work.gradient_rows += rows;
    work.gradient_pairs += pairs;
  }
  return rows;
}

}  // namespace

Profiler::Profiler() { span_of(kStepSpan); }
Profiler::~Profiler() { stop(); }

void Profiler::start() {
  TORCH_INTERNAL_ASSERT(current == nullptr, "one profiler at a time");
  current = this;
  listening_ = true;
  frames_.clear();
  outside_ = 0;
  start_ = std::chrono::steady_clock::now();
  handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&Profiler::on_begin, &Profiler::on_end)
                                           .needsInputs(true)
                                           .scopes({at::RecordScope::USER_SCOPE, at::RecordScope::BACKWARD_FUNCTION}));
}

void Profiler::stop() {
  if (!listening_) return;
  at::removeCallback(handle_);
  listening_ = false;
  current = nullptr;
}

std::unique_ptr<at::ObserverContext> Profiler::on_begin(const at::RecordFunction& function) {
  if (current != nullptr) current->begin(function);
  return nullptr;
}

void Profiler::on_end(const at::RecordFunction&, at::ObserverContext*) {
  if (current != nullptr) current->end();
}

void Profiler::begin(const at::RecordFunction& function) {
  const bool is_node = function.scope() == at::RecordScope::BACKWARD_FUNCTION;
  if (frames_.empty() && (outside_ > 0 || is_node || std::string_view(function.name()) != kStepSpan)) {
    ++outside_;
    return;
  }
  if (!is_node) {
    const bool is_backward = !frames_.empty() && frames_.back().is_backward;
    return open(span_of(function.name()), is_backward || std::string_view(function.name()) == kBackwardSpan, function);
  }
  const auto number = static_cast<uint64_t>(function.seqNr());
  if (number != kAccumulation) last_node_span_ = span_of_node(number);
  open(last_node_span_, true, function);
}

void Profiler::open(size_t span, bool is_backward, const at::RecordFunction& function) {
  Frame frame{span, is_backward, "", -1, 0, 0};
  if (function.scope() == at::RecordScope::BACKWARD_FUNCTION) {
    frame.node = function.name();
  } else if (!is_backward) {
    frame.rows = add_work(function.inputs(), profile_.spans[span].work);
    if (frame.rows < 0) ++profile_.spans[span].work.calls;
  }
  if (frames_.empty()) made_.clear();  // no graph outlives its step
  frames_.push_back(std::move(frame));
  nodes_belong_to(span);
  frames_.back().begin = now();
}

void Profiler::end() {
  if (outside_ > 0) {
    --outside_;
    return;
  }
  if (frames_.empty()) return;  // it began before start()
  const int64_t time = now();
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  const int64_t took = time - frame.begin;
  SpanTotal& total = profile_.spans[frame.span];
  (frame.is_backward ? total.backward_nanoseconds : total.forward_nanoseconds) += took - frame.inside;
  profile_.events.push_back({frame.span, frame.is_backward, std::move(frame.node), frame.rows, frame.begin, time});
  if (frames_.empty()) {
    ++profile_.steps;
    profile_.nanoseconds += took;
    return;
  }
  frames_.back().inside += took;
  nodes_belong_to(frames_.back().span);
}

size_t Profiler::span_of(const std::string& name) {
  const auto [at, is_new] = spans_.emplace(name, profile_.spans.size());
  if (is_new) profile_.spans.push_back({name, {}, 0, 0});
  return at->second;
}

size_t Profiler::span_of_node(uint64_t number) const {
  const auto after =
      std::upper_bound(made_.begin(), made_.end(), number, [](uint64_t n, const Made& made) { return n < made.first; });
  return after == made_.begin() ? 0 : std::prev(after)->span;
}

void Profiler::nodes_belong_to(size_t span) {
  const uint64_t next = at::sequence_number::peek();
  if (!made_.empty() && made_.back().first == next) {
    made_.back().span = span;
  } else {
    made_.push_back({next, span});
  }
}

int64_t Profiler::now() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start_).count();
}

double Profiler::nanoseconds_per_span() {
  constexpr int kSpans = 2000, kRounds = 5;
  const auto time_of_spans = [] {
    const auto start = std::chrono::steady_clock::now();
    RECORD_USER_SCOPE(kStepSpan);
    for (int i = 0; i < kSpans; ++i) {
      RECORD_USER_SCOPE_WITH_INPUTS("encoder.layer.0.attention.self.query", std::vector<c10::IValue>(1, at::Tensor()));
    }
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / kSpans;
  };
  double quietest = 0;
  for (int round = 0; round < kRounds; ++round) {
    Profiler profiler;
    profiler.start();
    const double time = time_of_spans();
    if (round == 0 || time < quietest) quietest = time;
  }
  return quietest;
}

}  // namespace plugtune::train
