#pragma once
// members.h - the finished adapters that a fusion attends to, as the host hands them over.

#include <map>
#include <string>
#include <vector>

#include "plugtune/plugtune.h"

namespace adapterfusion {

using torch::Tensor;

/// One finished run that was tuned with strategy 'adapter'.
struct Member {
  std::string run;
  plugtune::AdapterSettings settings;
  std::map<std::string, std::map<std::string, Tensor>> blocks;  ///< site path -> the AdapterBlock's parameters by name
  std::map<std::string, Tensor> invertible;                     ///< the parameters of its layer behind the embeddings

  /// The member's block at one place, frozen. Throws Error when a tensor is missing or has another shape.
  /// @param phm_rule  of the block at the member's first place, for all others
  std::shared_ptr<plugtune::AdapterBlock> block(const plugtune::SiteInfo& place, int64_t hidden_size,
                                                const Tensor& phm_rule, const plugtune::ConfigView& config) const;
  /// Its layer behind the embeddings, frozen; null when it has none. Throws Error as block() does.
  std::shared_ptr<plugtune::NiceCoupling> invertible_layer(int64_t hidden_size,
                                                           const plugtune::ConfigView& config) const;

 private:
  /// Fills `module` with `tensors` and freezes it. @param place  where it is, for the message
  void load(torch::nn::Module& module, const std::map<std::string, Tensor>& tensors, const std::string& place,
            const plugtune::ConfigView& config) const;
};

/// `sources = ["runs/a", "runs/b"]`: at least two runs whose adapters sit at the same places. Notes problems in `config`.
std::vector<Member> read_members(const plugtune::ConfigView& config);

/// The places of all members. Throws Error when they do not fit the model.
std::vector<plugtune::JunctionSite*> places(const std::vector<Member>& members, plugtune::Model& model,
                                            const plugtune::ConfigView& config);

}  // namespace adapterfusion
