#pragma once
// layout.h - where each sequence of a batch lies in its packed rows.

#include <torch/types.h>

#include <memory>
#include <vector>

#include "plugtune/export.h"

namespace plugtune {
inline namespace v1 {

using torch::Tensor;

/// The sequences of one batch, laid one after another without padding.
///
/// N rows, B sequences: sequence b owns rows [offset(b), offset(b + 1)). Immutable; cheap to copy (shares its tensors).
/// All tensors are on the batch's device. Made by the host; a patch only ever derives a new one.
class PLUGTUNE_API Layout {
 public:
  /// No sequences.
  Layout();
  /// @param lengths  rows of each sequence, all >= 1.  Throws Error if one is not.
  explicit Layout(const std::vector<int64_t>& lengths, torch::Device device = torch::kCPU);
  ~Layout();
  /// Shares the tensors.
  Layout(const Layout&);
  /// Shares the tensors.
  Layout& operator=(const Layout&);

  int64_t rows() const noexcept;                     ///< N
  int64_t sequences() const noexcept;                ///< B
  int64_t longest() const noexcept;                  ///< T, 0 without sequences
  int64_t length(int64_t sequence) const;            ///< rows of one sequence
  int64_t offset(int64_t sequence) const;            ///< first row of one sequence; offset(B) == N
  const std::vector<int32_t>& host_offsets() const;  ///< (B + 1), on the host
  const Tensor& offsets() const;                     ///< (B + 1) int32, on the device
  const Tensor& first_rows() const;                  ///< (B) int64: the row of each sequence's first token
  const Tensor& row_sequence() const;                ///< (N) int64: the sequence that owns each row
  torch::Device device() const;                      ///< of its tensors

  /// The same sequences with `n` >= 0 more rows in front of each.
  Layout with_prefix(int64_t n) const;
  /// One row per sequence: what remains when only first rows are kept.
  Layout first_rows_only() const;

  /// Puts the same `prefix` (n, ...) in front of each sequence of `rows` (N, ...) -> (N + B n, ...), in with_prefix(n).
  /// `prefix` may also be (B, n, ...): a prefix of its own for each sequence. Differentiable in both.
  Tensor prepend(const Tensor& prefix, const Tensor& rows) const;
  /// Undoes prepend: `rows` (N, ...) lies in this layout, whose sequences start with `n` prefix rows -> (N - B n, ...).
  /// Throws Error if a sequence has fewer than n + 1 rows.
  Tensor drop_prefix(const Tensor& rows, int64_t n) const;

  /// The same lengths in the same order, on whatever devices.
  bool operator==(const Layout& other) const;

 private:
  struct Data;
  std::shared_ptr<const Data> data_;
};

}  // namespace v1
}  // namespace plugtune
