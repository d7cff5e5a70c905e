#pragma once
// shared_base.h - one loaded base for several runs: each run's patches and values are put on and taken off, or work side by side.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/bert.h"

namespace plugtune::model {

class Routing;

/// Owns what each run changes of the model; the weights themselves are there once.
///
/// A run is either selected, and then the model is exactly as if it had been opened with that run alone, or several take part
/// in a mixed pass. Taking a run off gives every base parameter the very tensor back that it was opened with.
class SharedBase {
 public:
  /// `bert` is bare, with the weights that it was opened with.
  explicit SharedBase(std::shared_ptr<Bert> bert);
  ~SharedBase();

  /// Takes what is on off, makes a place for one more run and selects it: what is attached from here on is its own.
  void begin_run();
  /// Gives the selected run values of its own, copies of the base's, for these parameters. To be called before they are changed.
  void own(const std::vector<std::string>& names);
  /// The names that a run has values of its own for.
  std::vector<std::string> owned(size_t run) const;
  size_t runs() const noexcept { return runs_.size(); }

  /// All runs compute in `type` from here on; what was their exact values is lost.
  void convert(torch::ScalarType type);

  /// Only this run works.
  void select(size_t run);

  /// Base parameters of a run, beside its head, that keep it out of a mixed pass; empty: it can take part.
  std::vector<std::string> unshareable(size_t run) const;
  /// Some sequences of a mixed pass.
  struct Share {
    size_t run = 0;
    int64_t sequences = 0;
  };
  /// Logits (B, labels) without a graph. The sequences of one run lie together: `shares` in the order of `input`, a run once at
  /// most. Sites that no run patches compute all rows at once, the others each run's rows by its own patches; a run that
  /// patches a span of several sites (a prompt) goes through that span by itself.
  Tensor forward(const Input& input, const std::vector<Share>& shares);
  /// The run whose patch threw in the last mixed pass.
  size_t failed_run() const;
  /// Whether a run patches a span of several sites: rows beside it stay together when such runs come last.
  bool goes_alone(size_t run) const;

 private:
  /// One run's part, while it is off the model or routed to.
  struct Run;
  void take_off();
  void put_on(const Run& run);
  void route();

  std::shared_ptr<Bert> bert_;
  std::map<std::string, Tensor> parameters_, originals_;  // the model's, and the data that they were opened with
  std::vector<std::unique_ptr<Run>> runs_;
  std::shared_ptr<Routing> routing_;  // not null: the model is routed
  size_t selected_ = 0;
};

}  // namespace plugtune::model
