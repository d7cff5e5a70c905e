#pragma once
// language_head.h - the masked-LM head of transformers' BertForMaskedLM, at the rows that are read; used by bert.cc alone.

#include <memory>
#include <string>

#include "model/bert.h"

namespace plugtune::model {

/// The modules below `cls.predictions`, so that parameters have Hugging Face's names. The decoder's weight is the word
/// embedding; its bias, which Hugging Face's files call `cls.predictions.bias`, is its own.
class LanguageHeadParts final : public torch::nn::Module {
 public:
  /// @param words  the word embedding (V, H)
  LanguageHeadParts(const BertOptions& options, const Tensor& words);
  std::shared_ptr<LinearSite> dense;    ///< (H, H), cls.predictions.transform.dense
  Tensor norm_weight, norm_bias;        ///< (H), cls.predictions.transform.LayerNorm
  std::shared_ptr<LinearSite> decoder;  ///< (V, H), tied
};

/// logits = decoder(LayerNorm(act(dense(h)))), V of each row.  Devlin et al. 2019, section 3.1.
class LanguageHead final : public HeadSite {
 public:
  /// `parts` must outlive the head.
  LanguageHead(const BertOptions& options, LanguageHeadParts& parts);
  /// (M) int64, set by Bert::forward for each call. Only these rows are computed; undefined: all.
  Tensor read_rows;

 protected:
  Tensor base(const HeadIn& in) override;

 private:
  LanguageHeadParts& parts_;
  std::string activation_;
  double eps_;
};

}  // namespace plugtune::model
