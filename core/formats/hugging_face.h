#pragma once
// hugging_face.h - everything about Hugging Face BERT directories: configuration, weights, finding and writing them.

#include "formats/bert_config.h"
#include "formats/bert_weights.h"
#include "formats/fingerprint.h"
#include "formats/model_directory.h"
