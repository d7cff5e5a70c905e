// layout.cc - offsets of the sequences of a packed batch.
#include "plugtune/layout.h"

#include <algorithm>

#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {

struct Layout::Data {
  std::vector<int32_t> host_offsets;
  int64_t longest = 0;
  Tensor offsets, first_rows, row_sequence;
};

namespace {

Tensor int32_tensor(const std::vector<int32_t>& values) {
  return torch::tensor(values, torch::TensorOptions().dtype(torch::kInt32));
}

}  // namespace

Layout::Layout() : Layout(std::vector<int64_t>{}) {}
Layout::~Layout() = default;
Layout::Layout(const Layout&) = default;
Layout& Layout::operator=(const Layout&) = default;

Layout::Layout(const std::vector<int64_t>& lengths, torch::Device device) {
  auto data = std::make_shared<Data>();
  data->host_offsets.reserve(lengths.size() + 1);
  data->host_offsets.push_back(0);
  for (const int64_t length : lengths) {
    if (length < 1) throw Error("layout: every sequence needs at least one row, got one of " + std::to_string(length));
    data->host_offsets.push_back(static_cast<int32_t>(data->host_offsets.back() + length));
    data->longest = std::max(data->longest, length);
  }
  data->offsets = int32_tensor(data->host_offsets).to(device);
  data->first_rows = data->offsets.slice(0, 0, static_cast<int64_t>(lengths.size())).to(torch::kInt64);
  Tensor row_sequence = torch::empty({data->host_offsets.back()}, torch::kInt64);
  int64_t* owner = row_sequence.data_ptr<int64_t>();
  for (size_t b = 0; b < lengths.size(); ++b)
    owner = std::fill_n(owner, lengths[b], static_cast<int64_t>(b));
  data->row_sequence = row_sequence.to(device);
  data_ = std::move(data);
}

int64_t Layout::rows() const noexcept { return data_->host_offsets.back(); }
int64_t Layout::sequences() const noexcept { return static_cast<int64_t>(data_->host_offsets.size()) - 1; }
int64_t Layout::longest() const noexcept { return data_->longest; }
int64_t Layout::length(int64_t b) const { return data_->host_offsets.at(b + 1) - data_->host_offsets.at(b); }
int64_t Layout::offset(int64_t b) const { return data_->host_offsets.at(b); }
const std::vector<int32_t>& Layout::host_offsets() const { return data_->host_offsets; }
const Tensor& Layout::offsets() const { return data_->offsets; }
const Tensor& Layout::first_rows() const { return data_->first_rows; }
const Tensor& Layout::row_sequence() const { return data_->row_sequence; }
torch::Device Layout::device() const { return data_->offsets.device(); }

Layout Layout::with_prefix(int64_t n) const {
  TORCH_CHECK(n >= 0, "Layout::with_prefix: n must not be negative, got ", n);
  std::vector<int64_t> lengths(sequences());
  for (int64_t b = 0; b < sequences(); ++b)
    lengths[b] = length(b) + n;
  return Layout(lengths, device());
}

Layout Layout::first_rows_only() const { return Layout(std::vector<int64_t>(sequences(), 1), device()); }

Tensor Layout::prepend(const Tensor& prefix, const Tensor& rows_in) const {
  TORCH_CHECK(rows_in.size(0) == rows(), "Layout::prepend: got ", rows_in.size(0), " rows, the layout has ", rows());
  const bool own = prefix.dim() == rows_in.dim() + 1;
  const int64_t n = prefix.size(own ? 1 : 0);
  // One gather from [prefix | rows]: its backward sums a shared prefix's gradient over the sequences.
  const Tensor flat_prefix = own ? prefix.flatten(0, 1) : prefix;
  const Tensor source = torch::cat({flat_prefix, rows_in}, 0);
  Tensor index = torch::empty({rows() + sequences() * n}, torch::kInt64);
  int64_t* at = index.data_ptr<int64_t>();
  for (int64_t b = 0; b < sequences(); ++b) {
    for (int64_t i = 0; i < n; ++i)
      *at++ = own ? b * n + i : i;
    for (int64_t i = offset(b); i < offset(b + 1); ++i)
      *at++ = flat_prefix.size(0) + i;
  }
  return source.index_select(0, index.to(rows_in.device()));
}

Tensor Layout::drop_prefix(const Tensor& rows_in, int64_t n) const {
  TORCH_CHECK(rows_in.size(0) == rows(), "Layout::drop_prefix: got ", rows_in.size(0), " rows, the layout has ",
              rows());
  TORCH_CHECK(n >= 0, "Layout::drop_prefix: n must not be negative, got ", n);
  for (int64_t b = 0; b < sequences(); ++b) {
    if (length(b) <= n) {
      throw Error("layout: a sequence of " + std::to_string(length(b)) + " rows cannot lose a prefix of " +
                  std::to_string(n));
    }
  }
  Tensor index = torch::empty({rows() - sequences() * n}, torch::kInt64);
  int64_t* at = index.data_ptr<int64_t>();
  for (int64_t b = 0; b < sequences(); ++b) {
    for (int64_t i = offset(b) + n; i < offset(b + 1); ++i)
      *at++ = i;
  }
  return rows_in.index_select(0, index.to(rows_in.device()));
}

bool Layout::operator==(const Layout& other) const { return host_offsets() == other.host_offsets(); }

}  // namespace v1
}  // namespace plugtune
