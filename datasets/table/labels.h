#pragma once
// labels.h - from what stands in the label column to a class, a set of classes or a number.

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugtune/blocks/text_file.h"

#include "settings.h"

namespace table {

/// The whole text as a finite number.
std::optional<double> parse_number(std::string_view text);

/// One example's label.
struct Label {
  int64_t index = 0;  ///< of the name; multi-label: bit i for name i
  double value = 0;
};

/// Of a row of which nothing is known but its text: no class, no set of classes, no number.
inline constexpr Label kNoLabel{-1, std::numeric_limits<double>::quiet_NaN()};

/// The names of the labels. Given, or collected from the training file and then put into order.
class Labels {
 public:
  explicit Labels(const Settings& settings);

  /// Nothing, and a problem, when the cell holds no label of the task.
  std::optional<Label> read(const plugtune::TextFile& file, const Cell& cell, char quote,
                            plugtune::FileProblems& problems);
  /// The training file is read: names are sorted (as numbers where all are), and only they are accepted from now on.
  void end_training(std::vector<Label*> labels);

  const std::vector<std::string>& names() const noexcept { return names_; }
  bool is_given() const noexcept { return is_given_; }

 private:
  std::optional<int64_t> index_of(std::string_view name, size_t at, plugtune::FileProblems& problems);
  std::optional<Label> read_number(const plugtune::TextFile& file, const Cell& cell, char quote,
                                   plugtune::FileProblems& problems) const;
  std::optional<Label> read_names(const plugtune::TextFile& file, const Cell& cell, char quote,
                                  plugtune::FileProblems& problems);

  plugtune::TaskKind kind_;
  std::string separator_;
  bool is_given_, is_open_;
  std::vector<std::string> names_;
  std::map<std::string, int64_t, std::less<>> index_;
};

}  // namespace table
