#pragma once
// example_source.h - where a data set's examples stand, so that the host's reports can name file and line.

#include <cstddef>
#include <string>

#include "plugtune/dataset.h"
#include "plugtune/export.h"

namespace plugtune {
inline namespace v1 {

/// Of a Dataset, inherited when its examples come from files.
class PLUGTUNE_API ExampleSource {
 public:
  virtual ~ExampleSource();
  /// The file that a split's examples are in, without its folder: "train.tsv". Of a split without examples any name will do.
  virtual std::string file_name(Split split) const = 0;
  /// "data/reviews/train.tsv:17". 0 <= index < size(split). Called for a few examples only: it may count lines.
  virtual std::string place(Split split, size_t index) const = 0;
  /// Rows of a split's file that are no examples because they have no text.
  virtual size_t left_out(Split split) const = 0;
};

}  // namespace v1
}  // namespace plugtune
