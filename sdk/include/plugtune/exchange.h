#pragma once
// exchange.h - how a method's delta is said in the files of other libraries, and how theirs become its delta.
//
// The host reads and writes the directories, the head and the fields that only name things; what a method's settings and
// tensors are called elsewhere is known to its plugin alone. Conversions are pure functions of values: no model is built.

#include <torch/types.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "plugtune/config.h"
#include "plugtune/export.h"
#include "plugtune/model.h"

namespace plugtune {
inline namespace v1 {

/// The base that a delta belongs to, for conversions that need its measures or its weights.
struct PLUGTUNE_API ExchangeBase {
  ModelInfo info;  ///< its measures
  /// A base parameter by its Hugging Face name without "bert.", in its own type. Throws Error if there is none.
  std::function<Tensor(const std::string& name)> weight;
};

/// One method's part of a run's delta.
struct PLUGTUNE_API MethodDelta {
  ConfigNode settings;  ///< its table; read() may leave out what has its default
  /// By delta key: `<site path>.<patch>.<parameter>`, or a base parameter's Hugging Face name without "bert.".
  std::vector<std::pair<std::string, Tensor>> tensors;
  /// Runs that the method starts from (`sources` of a fusion), in the order in which its settings name them.
  std::vector<std::pair<std::string, SourceRun>> sources;

  /// Throws Error when the delta does not hold it.
  const Tensor& tensor(const std::string& key) const;
};

/// One adapter of another library as values.
struct PLUGTUNE_API ForeignAdapter {
  std::string format;  ///< "peft" or "adapterhub"
  std::string name;    ///< of the adapter, which AdapterHub's tensor names contain; "" in peft's
  /// peft: adapter_config.json. adapterhub: the method's own configuration, "config" in adapter_config.json. Values that
  /// are null are left out of what is read; in what is written an empty string stands for null.
  ConfigNode config;
  /// By the library's names, without the prefix of its model class ("base_model.model.bert.", "bert.") and without the head.
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::vector<ForeignAdapter> members;  ///< of a composition such as a fusion, in its order
  std::vector<std::string> notes;       ///< what the person should know of this conversion, one line each
};

/// The tensors of a foreign file while they are read: remembers which were taken, gathers what is wrong.
class PLUGTUNE_API ForeignTensors {
 public:
  /// @param subject  how messages name the file
  ForeignTensors(std::string subject, const std::vector<std::pair<std::string, Tensor>>& tensors);
  ~ForeignTensors();

  /// How messages name the file.
  const std::string& subject() const noexcept { return subject_; }
  /// Whether the file has a tensor of that name; does not mark it as read.
  bool has(const std::string& name) const;
  /// Every name, in the file's order.
  std::vector<std::string> names() const;
  /// The tensor, in the file's type. -1 in `shape` stands for any size. Zeros and a problem when it is missing or its shape
  /// differs.
  Tensor take(const std::string& name, const std::vector<int64_t>& shape);
  /// Marks a tensor as read that carries nothing (a duplicate, a part that is not used).
  void skip(const std::string& name);
  /// Notes a problem; the subject is put in front.
  void problem(const std::string& text);
  /// Names that were neither taken nor skipped: the host refuses them.
  std::vector<std::string> unread() const;
  /// Throws Error with everything noted.
  void throw_if_problems() const;

 private:
  std::string subject_;
  std::vector<std::pair<std::string, Tensor>> tensors_;
  std::vector<bool> read_;
  std::vector<std::string> problems_;
};

/// Converts deltas of one method. Beside the strategy in the same plugin: PLUGTUNE_STRATEGY_AND_EXCHANGE.
class PLUGTUNE_API Exchange {
 public:
  virtual ~Exchange();

  /// Whether the file's configuration is this method's, however it is set. Must not throw: many plugins are asked.
  virtual bool reads(const ForeignAdapter& adapter) const = 0;
  /// The adapter as a delta with the settings that it needs. Throws Error naming what cannot be said exactly. Adds to
  /// `adapter.notes`. Tensors of its own that it does not know it leaves unread.
  virtual MethodDelta read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const = 0;
  /// The delta as an adapter of `format` and `name`. Throws Error that says why it cannot be said exactly.
  virtual ForeignAdapter write(const MethodDelta& delta, const std::string& format, const std::string& name,
                               const ExchangeBase& base) const = 0;
};

/// A field of a foreign configuration that is a text, else "".
PLUGTUNE_API std::string text_at(const ConfigNode& config, const std::string& key);
/// Whether a field is there and true.
PLUGTUNE_API bool is_true_at(const ConfigNode& config, const std::string& key);
/// An array of texts as a value.
PLUGTUNE_API ConfigNode array_of(const std::vector<std::string>& texts);
/// Reads a measure of the model that a file repeats, and notes a problem when the base has another.
PLUGTUNE_API void check_measure(const ConfigView& config, const std::string& key, int64_t of_base);

/// Refuses fields of a foreign configuration that were not read from `view`, are not in `ignored` (fields that describe and do not
/// compute), and are not off (false, 0, "", an empty table or array). Throws Error with these and all problems of `view`.
PLUGTUNE_API void reject_unknown_fields(const ConfigView& view, const ConfigNode& config,
                                        const std::vector<std::string>& ignored = {});

}  // namespace v1
}  // namespace plugtune
