// reference.cc - every span as its formula reads.
#include "kernels/reference.h"

#include <cmath>

namespace plugtune::kernels::reference {
namespace {

/// LayerNorm of one row in place.
void normalize(double* row, const double* weight, const double* bias, double eps, int64_t columns) {
  double mean = 0, variance = 0;
  for (int64_t c = 0; c < columns; ++c)
    mean += row[c] / columns;
  for (int64_t c = 0; c < columns; ++c)
    variance += (row[c] - mean) * (row[c] - mean) / columns;
  for (int64_t c = 0; c < columns; ++c)
    row[c] = (row[c] - mean) / std::sqrt(variance + eps) * weight[c] + bias[c];
}

}  // namespace

PhiloxBlock philox(PhiloxBlock counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 7; ++round) {
    const auto& c = counter.words;
    const uint64_t product0 = uint64_t{0xD2511F53} * c[0], product1 = uint64_t{0xCD9E8D57} * c[2];
    counter = {{static_cast<uint32_t>(product1 >> 32) ^ c[1] ^ key0, static_cast<uint32_t>(product1),
                static_cast<uint32_t>(product0 >> 32) ^ c[3] ^ key1, static_cast<uint32_t>(product0)}};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

double multiplier(const Dropout& dropout, uint64_t stream, uint64_t element) {
  const uint32_t threshold = static_cast<uint32_t>(std::lround(dropout.p * 65536));
  // 128 elements are 16 blocks of eight 16-bit numbers: element 16 j + l is number j of block l.
  const uint64_t block = element / 128 * 16 + element % 16, number = element % 128 / 16;
  const PhiloxBlock random = philox({{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                                      static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)}},
                                    static_cast<uint32_t>(dropout.seed), static_cast<uint32_t>(dropout.seed >> 32));
  const uint32_t bits = random.words[number / 2] >> (number % 2 * 16) & 0xffff;
  return bits < threshold ? 0 : 65536.0 / (65536 - threshold);
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Layout& queries, const Layout& keys,
                 const Dropout& dropout) {
  const int64_t heads = q.size(1), head_size = q.size(2);
  Tensor out = torch::zeros_like(q);
  const auto qa = q.accessor<double, 3>(), ka = k.accessor<double, 3>(), va = v.accessor<double, 3>();
  auto oa = out.accessor<double, 3>();
  for (int64_t b = 0; b < queries.sequences(); ++b) {
    const int64_t first_query = queries.offset(b), first_key = keys.offset(b), length = keys.length(b);
    for (int64_t a = 0; a < heads; ++a) {
      for (int64_t i = 0; i < queries.length(b); ++i) {
        std::vector<double> weight(length);
        double sum = 0;
        for (int64_t j = 0; j < length; ++j) {
          double score = 0;
          for (int64_t d = 0; d < head_size; ++d)
            score += qa[first_query + i][a][d] * ka[first_key + j][a][d];
          sum += weight[j] = std::exp(score / std::sqrt(static_cast<double>(head_size)));
        }
        const int64_t stride = (length + 15) / 16 * 16;
        for (int64_t j = 0; j < length; ++j) {
          const double p = weight[j] / sum * multiplier(dropout, b * heads + a, i * stride + j);
          for (int64_t d = 0; d < head_size; ++d)
            oa[first_query + i][a][d] += p * va[first_key + j][a][d];
        }
      }
    }
  }
  return out;
}

Tensor dropout_residual_layer_norm(const Tensor& h, const Tensor& residual, const Tensor& weight, const Tensor& bias,
                                   double eps, const Dropout& dropout) {
  Tensor out = h.clone();
  const int64_t columns = h.size(1);
  for (int64_t r = 0; r < h.size(0); ++r) {
    double* const row = out.mutable_data_ptr<double>() + r * columns;
    const double* const other = residual.const_data_ptr<double>() + r * columns;
    for (int64_t c = 0; c < columns; ++c)
      row[c] = row[c] * multiplier(dropout, r, c) + other[c];
    normalize(row, weight.const_data_ptr<double>(), bias.const_data_ptr<double>(), eps, columns);
  }
  return out;
}

Tensor bias_gelu(const Tensor& x, const Tensor& bias) {
  Tensor out = x.clone();
  auto rows = out.accessor<double, 2>();
  for (int64_t r = 0; r < x.size(0); ++r) {
    for (int64_t c = 0; c < x.size(1); ++c) {
      const double u = rows[r][c] + bias[c].item<double>();
      rows[r][c] = u * 0.5 * std::erfc(-u / std::sqrt(2.0));
    }
  }
  return out;
}

Tensor embedding_layer_norm(const Tensor& words, const Tensor& types, const Tensor& positions, const Tensor& type_table,
                            const Tensor& position_table, const Tensor& weight, const Tensor& bias, double eps,
                            const Dropout& dropout) {
  Tensor out = words.clone();
  const int64_t columns = words.size(1);
  for (int64_t r = 0; r < words.size(0); ++r) {
    double* const row = out.mutable_data_ptr<double>() + r * columns;
    const double* const type = type_table.const_data_ptr<double>() + types[r].item<int64_t>() * columns;
    const double* const position = position_table.const_data_ptr<double>() + positions[r].item<int64_t>() * columns;
    for (int64_t c = 0; c < columns; ++c)
      row[c] += type[c] + position[c];
    normalize(row, weight.const_data_ptr<double>(), bias.const_data_ptr<double>(), eps, columns);
    for (int64_t c = 0; c < columns; ++c)
      row[c] *= multiplier(dropout, r, c);
  }
  return out;
}

void adamw(Tensor params, const Tensor& grads, Tensor exp_avg, Tensor exp_avg_sq,
           const std::vector<AdamWSegment>& segments, double beta1, double beta2, double eps, int64_t step,
           double grad_scale) {
  const double t = static_cast<double>(step);
  auto p = params.accessor<double, 1>(), m = exp_avg.accessor<double, 1>(), v = exp_avg_sq.accessor<double, 1>();
  for (const AdamWSegment& segment : segments) {
    for (int64_t i = segment.begin; i < segment.end; ++i) {
      const double g = grads[i].item<double>() * grad_scale;
      p[i] *= 1 - segment.learning_rate * segment.weight_decay;
      m[i] = beta1 * m[i] + (1 - beta1) * g;
      v[i] = beta2 * v[i] + (1 - beta2) * g * g;
      p[i] -= segment.learning_rate / (1 - std::pow(beta1, t)) * m[i] /
              (std::sqrt(v[i]) / std::sqrt(1 - std::pow(beta2, t)) + eps);
    }
  }
}

}  // namespace plugtune::kernels::reference
