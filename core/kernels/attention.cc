// attention.cc - attention over packed rows: how pairs of a sequence and a head reach threads, and where gradients lie.
#include "kernels/attention.h"

#include <numeric>

#include "kernels/composed.h"
#include "kernels/cpu/attention.h"
#include "kernels/tensors.h"

namespace plugtune::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// What an attention is about besides its tensors; backward finds it in the graph.
struct Call : torch::CustomClassHolder {
  Layout queries, keys;
  Dropout dropout;
  Call(const Layout& queries, const Layout& keys, const Dropout& dropout)
      : queries(queries),
        keys(keys),
        dropout(dropout) {}
};

/// The same rows with their heads side by side: any row stride will do, others are copied.
Tensor with_dense_heads(const Tensor& rows) {
  const bool dense =
      (rows.size(2) == 1 || rows.stride(2) == 1) && (rows.size(1) == 1 || rows.stride(1) == rows.size(2));
  return dense ? rows : rows.contiguous();
}

template <class T>
cpu::HeadRows<T> head_rows(const Tensor& rows) {
  if (!rows.defined()) return {nullptr, 0};
  return {elements<std::remove_const_t<T>>(rows), static_cast<size_t>(rows.stride(0))};
}

template <class T>
cpu::Attention<T> attention_of(const Tensor& q, const Tensor& k, const Tensor& v, const Call& call) {
  return {head_rows<const T>(q),           head_rows<const T>(k),
          head_rows<const T>(v),           call.queries.host_offsets().data(),
          call.keys.host_offsets().data(), static_cast<size_t>(q.size(1)),
          static_cast<size_t>(q.size(2)),  mask_of(call.dropout)};
}

/// compute(queue) on every thread, until all pairs are done.
template <class Compute>
void for_each_thread(const Call& call, int64_t heads, const Compute& compute) {
  const int64_t sequences = call.queries.sequences();
  std::vector<int32_t> order(sequences);
  std::iota(order.begin(), order.end(), 0);
  const auto work = [&](int32_t b) { return call.queries.length(b) * call.keys.length(b); };
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return work(a) > work(b); });
  cpu::PairQueue queue{order.data(), static_cast<size_t>(sequences * heads)};
  const int64_t threads = std::min<int64_t>(at::get_num_threads(), sequences * heads);
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) { compute(queue); });
}

/// (Nq,A,D) and the log-sum-exp of its scores, (Nq,A).
std::pair<Tensor, Tensor> attend(const Tensor& q, const Tensor& k, const Tensor& v, const Call& call) {
  Tensor out = torch::empty(q.sizes(), q.options());
  Tensor log_sum_exp = torch::empty({q.size(0), q.size(1)}, torch::kFloat);
  with_elements_of(q, [&]<class T>(T) {
    const cpu::Attention<T> in = attention_of<T>(q, k, v, call);
    for_each_thread(call, q.size(1), [&](cpu::PairQueue& queue) {
      cpu::attention(in, head_rows<T>(out), elements<float>(log_sum_exp), queue);
    });
  });
  return {out, log_sum_exp};
}

/// True if q, k and v are the three parts of one (N,3H) product.
bool lie_in_one_product(const Tensor& q, const Tensor& k, const Tensor& v) {
  const int64_t width = q.size(1) * q.size(2);
  const auto is_part = [&](const Tensor& part, int64_t index) {
    return part.sizes() == q.sizes() && part.stride(0) == 3 * width && part.is_alias_of(q) &&
           part.storage_offset() == q.storage_offset() + index * width;
  };
  return is_part(q, 0) && is_part(k, 1) && is_part(v, 2);
}

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& q, const Tensor& k, const Tensor& v,
                        const c10::intrusive_ptr<Call>& call) {
    const auto [out, log_sum_exp] = attend(q, k, v, *call);
    ctx->save_for_backward({q, k, v, log_sum_exp});
    ctx->saved_data["call"] = c10::IValue::make_capsule(call);
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor &q = saved[0], &k = saved[1], &v = saved[2], &log_sum_exp = saved[3];
    const auto call = c10::static_intrusive_pointer_cast<Call>(ctx->saved_data["call"].toCapsule());
    const Tensor grad_out = with_dense_heads(grads[0]);
    const auto [grad_q, grad_k, grad_v] = empty_gradients(ctx, q, k, v);
    with_elements_of(q, [&, &grad_q = grad_q, &grad_k = grad_k, &grad_v = grad_v]<class T>(T) {
      const cpu::Attention<T> in = attention_of<T>(q, k, v, *call);
      const cpu::AttentionGradient<T> gradient{head_rows<const T>(grad_out), elements<float>(log_sum_exp),
                                               head_rows<T>(grad_q), head_rows<T>(grad_k), head_rows<T>(grad_v)};
      for_each_thread(*call, q.size(1), [&](cpu::PairQueue& queue) { cpu::attention_gradient(in, gradient, queue); });
    });
    return {grad_q, grad_k, grad_v, Tensor()};
  }

 private:
  /// Tensors for the gradients that are needed: parts of one where q, k and v are, so that split_qkv need not put them together.
  static std::array<Tensor, 3> empty_gradients(AutogradContext* ctx, const Tensor& q, const Tensor& k,
                                               const Tensor& v) {
    const std::array<bool, 3> needed = {ctx->needs_input_grad(0), ctx->needs_input_grad(1), ctx->needs_input_grad(2)};
    if (needed[0] && needed[1] && needed[2] && lie_in_one_product(q, k, v)) {
      const Tensor all = torch::empty({q.size(0), 3, q.size(1), q.size(2)}, q.options());
      return {all.select(1, 0), all.select(1, 1), all.select(1, 2)};
    }
    const auto empty = [](const Tensor& like, bool is_needed) {
      return is_needed ? torch::empty(like.sizes(), like.options()) : Tensor();
    };
    return {empty(q, needed[0]), empty(k, needed[1]), empty(v, needed[2])};
  }
};

struct SplitFunction : torch::autograd::Function<SplitFunction> {
  static variable_list forward(AutogradContext* ctx, const Tensor& qkv, int64_t heads) {
    ctx->set_materialize_grads(false);
    const Tensor parts = qkv.view({qkv.size(0), 3, heads, -1});
    return {parts.select(1, 0), parts.select(1, 1), parts.select(1, 2)};
  }
  static variable_list backward(AutogradContext*, const variable_list& grads) {
    const bool all = grads[0].defined() && grads[1].defined() && grads[2].defined();
    if (all && lie_in_one_product(grads[0], grads[1], grads[2])) {
      const int64_t width = 3 * grads[0].size(1) * grads[0].size(2);
      return {grads[0].as_strided({grads[0].size(0), width}, {width, 1}), Tensor()};
    }
    const Tensor& known = grads[0].defined() ? grads[0] : grads[1].defined() ? grads[1] : grads[2];
    if (!known.defined()) return {Tensor(), Tensor()};
    variable_list parts;
    for (const Tensor& grad : grads)
      parts.push_back((grad.defined() ? grad : torch::zeros_like(known)).flatten(1));
    return {torch::cat(parts, 1), Tensor()};
  }
};

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Layout& queries, const Layout& keys,
                 const Dropout& dropout) {
  TORCH_INTERNAL_ASSERT(q.dim() == 3 && q.size(0) == queries.rows() && queries.sequences() == keys.sequences());
  TORCH_INTERNAL_ASSERT(k.dim() == 3 && k.size(0) == keys.rows() && k.size(1) == q.size(1) && k.size(2) == q.size(2));
  TORCH_INTERNAL_ASSERT(v.sizes() == k.sizes() && k.scalar_type() == q.scalar_type() &&
                        v.scalar_type() == q.scalar_type());
  if (!has_cpu_kernel(q)) return composed::attention(q, k, v, queries, keys, dropout);
  const auto call = c10::make_intrusive<Call>(queries, keys, dropout);
  const Tensor q_rows = with_dense_heads(q), k_rows = with_dense_heads(k), v_rows = with_dense_heads(v);
  if (!needs_graph(q, k, v)) return attend(q_rows, k_rows, v_rows, *call).first;
  return AttentionFunction::apply(q_rows, k_rows, v_rows, call);
}

std::array<Tensor, 3> split_qkv(const Tensor& qkv, int64_t heads) {
  TORCH_INTERNAL_ASSERT(qkv.dim() == 2 && qkv.size(1) % (3 * heads) == 0);
  const variable_list parts = SplitFunction::apply(qkv, heads);
  return {parts[0], parts[1], parts[2]};
}

}  // namespace plugtune::kernels
