#pragma once
// plugin.h - how a shared library says what it brings: plain data, constant-initialised, readable without running its code.

/// @file
/// How a shared library says what it brings: PLUGTUNE_STRATEGY(...) or PLUGTUNE_DATASET(...) at the end of its source.
#include <cstdint>

#include "plugtune/dataset.h"
#include "plugtune/exchange.h"
#include "plugtune/stamp.h"
#include "plugtune/strategy.h"

extern "C" {

/// One strategy or dataset. Exactly one of the first two functions is set; each returns an object that the host owns (delete).
struct plugtune_item_v1 {
  uint32_t size;        ///< sizeof(plugtune_item_v1)
  uint32_t flags;       ///< PLUGTUNE_FLAG_*
  const char* name;     ///< equal to the file's name before the first '.'
  const char* summary;  ///< one line for `plugtune plugins`
  /// Null of a dataset. What it throws becomes a message that names the plugin.
  plugtune::Strategy* (*create_strategy)(const plugtune::ConfigView& settings);
  /// Null of a strategy.
  plugtune::Dataset* (*create_dataset)(const plugtune::ConfigView& settings);
  plugtune::Exchange* (*create_exchange)();  ///< of a strategy; null: its deltas have no foreign form
};

/// The symbol `plugtune_plugin`.
struct plugtune_plugin_v1 {
  uint32_t size;                  ///< sizeof(plugtune_plugin_v1)
  const char* name;               ///< equal to its item's
  const char* version;            ///< "1.0.0"
  uint32_t item_count;            ///< 1: a library is one strategy or one dataset
  const plugtune_item_v1* items;  ///< item_count of them
};
}

/// With its default settings the strategy does change the model's output at the start (`plugtune check` asks otherwise).
#define PLUGTUNE_FLAG_NOT_IDENTITY 1u
/// The strategy cannot be made from defaults alone (it needs finished runs, say): `plugtune check` does not try.
#define PLUGTUNE_FLAG_NEEDS_SETTINGS 2u

/// What the macros below are made of.
#define PLUGTUNE_PLUGIN_(plugin_name, plugin_version, plugin_summary, plugin_flags, strategy_function,           \
                         dataset_function, exchange_function)                                                    \
  PLUGTUNE_STAMP                                                                                                 \
  static constinit const plugtune_item_v1 plugtune_items_[] = {{sizeof(plugtune_item_v1), plugin_flags,          \
                                                                plugin_name, plugin_summary, strategy_function,  \
                                                                dataset_function, exchange_function}};           \
  extern "C" __attribute__((visibility("default"), used)) constinit const plugtune_plugin_v1 plugtune_plugin = { \
      sizeof(plugtune_plugin_v1), plugin_name, plugin_version, 1, plugtune_items_};

/// Makes this library the plugin of one strategy: PLUGTUNE_STRATEGY(Lora, "lora", "1.0.0", "low-rank updates", 0)
/// `Class` is constructible from a `const plugtune::ConfigView&`.
#define PLUGTUNE_STRATEGY(Class, name, version, summary, flags)                                                     \
  static plugtune::Strategy* plugtune_create_(const plugtune::ConfigView& settings) { return new Class(settings); } \
  PLUGTUNE_PLUGIN_(name, version, summary, flags, &plugtune_create_, nullptr, nullptr)

/// The same for a strategy whose deltas go to other libraries and come from them. `ExchangeClass` has a default constructor.
#define PLUGTUNE_STRATEGY_AND_EXCHANGE(Class, ExchangeClass, name, version, summary, flags)                         \
  static plugtune::Strategy* plugtune_create_(const plugtune::ConfigView& settings) { return new Class(settings); } \
  static plugtune::Exchange* plugtune_create_exchange_() { return new ExchangeClass(); }                            \
  PLUGTUNE_PLUGIN_(name, version, summary, flags, &plugtune_create_, nullptr, &plugtune_create_exchange_)

/// The same for a dataset: PLUGTUNE_DATASET(Nsmc, "nsmc", "1.0.0", "Naver movie reviews")
#define PLUGTUNE_DATASET(Class, name, version, summary)                                                            \
  static plugtune::Dataset* plugtune_create_(const plugtune::ConfigView& settings) { return new Class(settings); } \
  PLUGTUNE_PLUGIN_(name, version, summary, 0, nullptr, &plugtune_create_, nullptr)
