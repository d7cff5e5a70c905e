// patch.cc - attention over adapters, with one product for all keys and one for all values.
#include "patch.h"

#include <algorithm>

namespace adapterfusion {

using plugtune::AdapterBlock;
using torch::Tensor;

double temperature_at(int64_t step) { return std::max(50.0 - 0.05 * static_cast<double>(step), 1.0); }

FusionPatch::FusionPatch(std::vector<std::shared_ptr<AdapterBlock>> members, int64_t hidden,
                         const FusionOptions& options, double dropout)
    : options_(options),
      dropout_(dropout),
      members_(std::move(members)) {
  for (size_t i = 0; i < members_.size(); ++i)
    register_module("member_" + std::to_string(i), members_[i]);
  const auto weight = [&](const char* name) {
    return register_parameter(name, torch::empty({hidden, hidden}).normal_(0.0, 0.02));
  };
  const auto bias = [&](const char* name) { return register_parameter(name, torch::zeros({hidden})); };
  if (options.query) query_weight_ = weight("query_weight"), query_bias_ = bias("query_bias");
  if (options.key) key_weight_ = weight("key_weight"), key_bias_ = bias("key_bias");
  if (options.value) value_weight_ = weight("value_weight");
  if (options.value && options.value_initialized) {
    torch::NoGradGuard no_grad;
    value_weight_.fill_(1e-6).fill_diagonal_(1.0);
  }
  if (options.temperature) temperature_ = register_buffer("temperature", torch::full({}, temperature_at(0)));
}

Tensor FusionPatch::pass(const plugtune::JunctionIn& in, const plugtune::JunctionNext& norm) {
  const AdapterBlock& last = *members_.back();
  const AdapterBlock::Entry entry = last.enter(in, norm);
  std::vector<Tensor> updates;
  for (const auto& member : members_)
    updates.push_back(member->update(entry.z, in.layout));
  Tensor u = torch::stack(updates, 1);  // (N, M, H)
  if (options_.residual_before) u = u + entry.residual.unsqueeze(1);

  const bool reads_h = options_.query_before_ln && !last.options().is_parallel;
  const Tensor p = attention(reads_h ? in.h : entry.z, u);  // (N, M)
  count(p);
  // W_v (sum_i p_i u_i), not sum_i p_i (W_v u_i): one product with W_v instead of M.
  Tensor c = torch::bmm(p.unsqueeze(1), u).squeeze(1);  // (N, H)
  if (options_.value) c = torch::linear(c, value_weight_);
  return options_.residual_before ? c : c + entry.residual;
}

Tensor FusionPatch::distance_from_identity() const {
  const Tensor weight = value_weight_.to(torch::kFloat32);
  return (torch::eye(weight.size(0), weight.options()) - weight).square().sum();
}

void FusionPatch::set_temperature(double temperature) {
  torch::NoGradGuard no_grad;
  temperature_.fill_(temperature);
}

void FusionPatch::start_counting() {
  is_counting_ = true;
  attention_sum_ = Tensor();
  rows_ = 0;
}

Tensor FusionPatch::stop_counting() {
  is_counting_ = false;
  return rows_ == 0 ? Tensor() : attention_sum_.to(torch::kCPU) / rows_;
}

// (q' = W_q q + b_q) . (W_k u + b_k) as (W_k^T q') . u + q' . b_k: again one product instead of M. The last term is the
// same for all members, so the softmax does not see it - but the dropout of the scores does.
Tensor FusionPatch::attention(const Tensor& q, const Tensor& u) {
  const Tensor query = options_.query ? torch::linear(q, query_weight_, query_bias_) : q;  // (N, H)
  const Tensor probe = options_.key ? torch::matmul(query, key_weight_) : query;           // (N, H)
  Tensor scores = torch::bmm(u, probe.unsqueeze(2)).squeeze(2);                            // (N, M)
  if (options_.key) scores = scores + torch::matmul(query, key_bias_).unsqueeze(1);
  scores = torch::dropout(scores, dropout_, is_training());
  if (options_.temperature) scores = scores / temperature_;
  return torch::softmax(scores, 1);
}

void FusionPatch::count(const Tensor& p) {
  if (!is_counting_ || is_training()) return;
  const Tensor sum = p.detach().sum(0, /*keepdim=*/false, torch::kFloat64);
  attention_sum_ = attention_sum_.defined() ? attention_sum_ + sum : sum;
  rows_ += p.size(0);
}

}  // namespace adapterfusion
