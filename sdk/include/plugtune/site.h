#pragma once
// site.h - a Site is a span of the encoder's forward pass; a Patch is code around that span.

#include <torch/nn/module.h>
#include <torch/types.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "plugtune/export.h"
#include "plugtune/layout.h"

namespace plugtune {
inline namespace v1 {

/// What a site is for, in the words of `targets = [...]`. Linear sites: kQuery..kClassifier, and of a masked-LM head kTransform
/// and kDecoder; junctions: kAfterAttention, kAfterFfn; the word embedding: kWordEmbeddings. kNone: sites that are alone of their
/// kind (trunk, encoder, ...).
enum class Role : int32_t {
  kNone = 0,
  kQuery = 1,
  kKey,
  kValue,
  kAttentionOutput,
  kFfnUp,
  kFfnDown,
  kPooler,
  kClassifier,
  kAfterAttention,
  kAfterFfn,
  kWordEmbeddings,
  kTransform,  ///< of a masked-LM head: (H, H)
  kDecoder,    ///< of a masked-LM head: (V, H), its weight is the word embedding's
};

/// "query", "attention_output", ...; "" for kNone.
PLUGTUNE_API const char* role_name(Role role) noexcept;

/// Where a site sits.
struct PLUGTUNE_API SiteInfo {
  std::string path;         ///< Hugging Face's module name, without "bert.": encoder.layer.0.attention.self.query
  Role role = Role::kNone;  ///< what it is for
  int64_t layer = -1;       ///< encoder layer, or -1 outside of the layers
};

/// What a patch's forward() threw, with where: what() is "<site path>.<patch>: <what it says>". Thrown by Site; the innermost
/// patch that threw is named.
class PLUGTUNE_API PatchError : public std::runtime_error {
 public:
  /// Joins both to what().
  PatchError(std::string patch, const std::string& text);
  ~PatchError() override;
  const std::string& patch() const noexcept { return patch_; }  ///< `<site path>.<patch>`

 private:
  std::string patch_;
};

template <class In>
class Site;

/// The rest of the chain, as seen by a patch: the next patch inwards or the bare span. Valid during the call only.
template <class In>
class PLUGTUNE_API Next {
 public:
  /// May be called any number of times, also with other input than the patch was given.
  Tensor operator()(const In& in) const;

 private:
  friend class Site<In>;
  Next(Site<In>& site, size_t inner) : site_(site), inner_(inner) {}
  Site<In>& site_;
  size_t inner_;  // patches still inside
};

/// Code around a span. Owned by its site; its parameters and buffers are the delta.
///
/// Computes in the type of its input. Keeps no state per row: it may be handed some of a batch's sequences only.
template <class In>
class PLUGTUNE_API Patch : public torch::nn::Module {
 public:
  Patch();
  ~Patch() override;
  /// What the span gives now; may call `next` any number of times. Called in every pass, so it only computes.
  virtual Tensor forward(const In& in, const Next<In>& next) = 0;
  /// True: each output row depends on its own input row alone, so the host may hand over fewer rows. Of an EncoderPatch: it
  /// changes the rows that go in, each by itself, and returns what next() returned, which may have first rows only.
  virtual bool row_wise() const;
};

/// A named span of the forward pass. Bare, it is exactly `base(in)`.
template <class In>
class PLUGTUNE_API Site : public torch::nn::Module {
 public:
  /// Sites are made by the host.
  explicit Site(SiteInfo info);
  ~Site() override;

  /// The patches around the span, outermost first. Throws PatchError with what a patch throws.
  Tensor forward(const In& in) { return patches_.empty() ? base(in) : run(in, patches_.size()); }

  /// Wraps the span once more; the patch attached last is outermost. `name` becomes part of every delta key
  /// (`<path>.<name>.<parameter>`); where it is taken, as by the same method in a stack, "_2", "_3", ... is added to it.
  /// Throws Error if the name is empty or has a '.'.
  void attach(const std::string& name, std::shared_ptr<Patch<In>> patch);
  /// Removes a patch, for merging. Throws Error if there is none of that name.
  void detach(const std::string& name);

  /// There is no patch.
  bool bare() const noexcept { return patches_.empty(); }
  /// Every patch is row-wise (true when bare).
  bool row_wise() const;
  /// Lives as long as the site.
  const SiteInfo& info() const noexcept { return info_; }
  /// Innermost first.
  const std::vector<std::pair<std::string, std::shared_ptr<Patch<In>>>>& patches() const noexcept { return patches_; }
  /// What attach() was asked to call each of patches().
  const std::vector<std::string>& asked_names() const noexcept { return asked_names_; }

 protected:
  /// What the pretrained encoder computes here. Implemented by the host.
  virtual Tensor base(const In& in) = 0;

 private:
  friend class Next<In>;
  Tensor run(const In& in, size_t inner);

  SiteInfo info_;
  std::vector<std::pair<std::string, std::shared_ptr<Patch<In>>>> patches_;
  std::vector<std::string> asked_names_;
};

}  // namespace v1
}  // namespace plugtune
