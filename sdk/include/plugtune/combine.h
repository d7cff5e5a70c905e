#pragma once
// combine.h - how several finished deltas of one method become one. Implemented by an Exchange object that can: inherit both.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugtune/exchange.h"
#include "plugtune/export.h"

namespace plugtune {
inline namespace v1 {

/// What the person asked for. Numbers that were not given are empty: an algorithm refuses those that it does not use.
struct PLUGTUNE_API CombineOptions {
  std::string method;               ///< one of Combiner::methods()
  std::vector<double> weights;      ///< one of each delta, finite; may be negative
  std::vector<std::string> names;   ///< one of each delta: how messages call it
  std::optional<double> density;    ///< of what pruning leaves, 0..1
  std::optional<int64_t> rank;      ///< of the result, at least 1
  std::optional<int64_t> seed;      ///< of random pruning
  std::optional<std::string> sign;  ///< how signs are elected
};

/// The one delta, in the settings and keys of the method: it is saved, loaded and trained as if it had been trained here.
struct PLUGTUNE_API CombinedDelta {
  MethodDelta delta;  ///< settings and tensors
  /// How far the result is from what the algorithm aims at, by site: relative, in the Frobenius norm. Empty: exact, or no such aim.
  std::vector<std::pair<std::string, double>> errors;
  std::vector<std::string> notes;  ///< what the person should know, one line each
};

/// Combines deltas of one method on one base; pure functions of values.
class PLUGTUNE_API Combiner {
 public:
  virtual ~Combiner();

  /// Names of the algorithms; the first is what a person gets who names none.
  virtual std::vector<std::string> methods() const = 0;
  /// At least two deltas. Throws Error, naming the runs and options (`--density`), when they do not go together.
  virtual CombinedDelta combine(const std::vector<MethodDelta>& deltas, const CombineOptions& options,
                                const ExchangeBase& base) const = 0;
};

}  // namespace v1
}  // namespace plugtune
