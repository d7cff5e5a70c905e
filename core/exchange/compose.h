#pragma once
// compose.h - several adapters on one model, as AdapterHub's library composes them: unions (one adapter of several methods) and stacks.
//
// What is here is what that library computes with a composition (methods/lora.py, methods/prompt_tuning.py, methods/invertible.py and
// ConfigUnion.validate() of adapters 1.3), and where that is something else than the strategies one after another.

#include <string>
#include <vector>

#include "exchange/foreign_files.h"

namespace plugtune::exchange {

/// `text` as a name that the library's module names can contain.
std::string as_adapter_name(const std::string& text);

/// Some of the adapters of a run that follow each other: one adapter of the library, of several methods if there are several.
struct Layer {
  size_t first = 0, count = 0;
};

/// Adapters of one name are one. In the order in which they are applied.
std::vector<Layer> layers_of(const std::vector<ForeignAdapter>& adapters);

/// For each adapter the number of the layer that it can be part of: each joins the one before it where a union may have both.
std::vector<size_t> choose_layers(const std::vector<ForeignAdapter>& adapters);

/// The methods of one adapter in the order in which one after another computes what the library does: it embeds, turns the invertible
/// adapter, whichever method has it, and puts the prompt in front.
void order_union(std::vector<ForeignAdapter>& methods);

/// Throws Error when the library computes something else with a stack of these layers than one after another. @param subject  the files
/// or the run
void check_stack(const std::vector<ForeignAdapter>& adapters, const std::string& subject);

/// Throws Error when two of the directories that a set-up of these has would have one name.
void check_names(const std::vector<ForeignAdapter>& adapters, const std::string& run);

/// Throws Error when a language adapter of adapter-transformers 1-2 names an invertible adapter and its file holds none. (A task
/// adapter of that time names that of its language without having it.)
void check_language_adapter(const ForeignAdapter& adapter, const std::string& subject);

/// Of a stack the library uses the invertible adapter of the first adapter alone. Takes the others' out, with a note in each.
void drop_unused_invertible(std::vector<ForeignAdapter>& adapters);

}  // namespace plugtune::exchange
