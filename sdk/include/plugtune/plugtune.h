#pragma once
// plugtune.h - the whole SDK, for a plugin's single source file.

#include "plugtune/blocks/adapter_block.h"
#include "plugtune/blocks/adapter_exchange.h"
#include "plugtune/blocks/adapter_settings.h"
#include "plugtune/blocks/adapter_stage.h"
#include "plugtune/blocks/bert_sites.h"
#include "plugtune/blocks/bottleneck.h"
#include "plugtune/blocks/invertible.h"
#include "plugtune/blocks/low_rank.h"
#include "plugtune/blocks/one_product.h"
#include "plugtune/blocks/peft_modules.h"
#include "plugtune/blocks/random_parts.h"
#include "plugtune/blocks/sequence_gate.h"
#include "plugtune/blocks/site_numbers.h"
#include "plugtune/blocks/tab_separated.h"
#include "plugtune/blocks/text_file.h"
#include "plugtune/capability.h"
#include "plugtune/combine.h"
#include "plugtune/config.h"
#include "plugtune/dataset.h"
#include "plugtune/error.h"
#include "plugtune/example_source.h"
#include "plugtune/exchange.h"
#include "plugtune/export.h"
#include "plugtune/final_form.h"
#include "plugtune/layout.h"
#include "plugtune/model.h"
#include "plugtune/plugin.h"
#include "plugtune/selector.h"
#include "plugtune/site.h"
#include "plugtune/sites.h"
#include "plugtune/strategy.h"
#include "plugtune/training_plan.h"
#include "plugtune/version.h"

/// @namespace plugtune
/// All that a plugin may see.

/// @namespace plugtune::v1
/// The contract of SDK 1. Inline: a plugin writes `plugtune::Layout`, and `v1` is in every symbol (docs/abi.md).
