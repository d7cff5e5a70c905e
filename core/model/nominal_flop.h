#pragma once
// nominal_flop.h - the arithmetic that a training step needs at least, counted from the model: what a measured time is compared with.

#include "model/bert.h"

namespace plugtune::model {

/// Floating-point operations (a multiply-add is two) of one row's forward and backward pass: matrix products and attention; not
/// counted are element-wise work, the embeddings' lookup, and the head, which has one row per sequence. What is frozen has no
/// weight gradient, and below the lowest layer that trains there is no backward pass at all. Nothing that a shortcut saves is
/// taken off (first rows only, compaction), so that numbers of different programs can be compared.
/// @param mean_length  rows of the sequence that a row belongs to, on average over rows
double nominal_flop_per_row(const Bert& model, double mean_length);

}  // namespace plugtune::model
