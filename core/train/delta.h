#pragma once
// delta.h - what training changed: collected by ownership, saved and loaded once for all methods.

#include <string>

#include "formats/named_tensors.h"
#include "model/bert.h"

namespace plugtune::train {

using formats::NamedTensors;

/// Patch parameters and buffers, trained base parameters, and the head (classifier, and the pooler when it trains).
/// Tensors alias the model's. Keys: `<site path>.<patch>.<name>` or a Hugging Face name.
NamedTensors collect_delta(const model::Bert& model);

/// Copies values into a model on which the same strategies were applied. Throws Error listing every missing, unexpected and
/// wrongly shaped tensor ("<subject>: ..."), before anything is copied.
void load_delta(model::Bert& model, const NamedTensors& delta, const std::string& subject);

/// The same for some tensors of a model, `targets`.
void copy_tensors(const NamedTensors& targets, const NamedTensors& values, const std::string& subject);

}  // namespace plugtune::train
