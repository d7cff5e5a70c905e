// torch_pickle_test.cc - files of the real torch.save give their tensors; ours are like them.
#include "formats/torch_pickle.h"

#include "formats/atomic_file.h"
#include "formats/safetensors.h"
#include "unit/formats/support.h"

namespace plugtune::formats {
namespace {

void expect_same(const NamedTensors& got, const NamedTensors& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(got.contains(name)) << name;
    EXPECT_TRUE(same(got.at(name), tensor)) << name;
  }
}

class TorchFile : public ::testing::TestWithParam<const char*> {};

TEST_P(TorchFile, GivesTheTensorsThatTorchSaved) {
  const NamedTensors got = read_torch_file(golden(GetParam()));
  expect_same(got, SafetensorsFile::open(golden("expected.safetensors")).tensors());
  EXPECT_EQ(got.at("transposed").strides(), torch::IntArrayRef({1, 6}));
  EXPECT_EQ(got.at("every_other").strides(), torch::IntArrayRef({12, 2}));
  EXPECT_EQ(got.at("expanded").strides(), torch::IntArrayRef({0, 1}));
}

TEST_P(TorchFile, SharedStoragesStayShared) {
  const NamedTensors got = read_torch_file(golden(GetParam()));
  got.at("base").fill_(7);
  EXPECT_TRUE(same(got.at("row"), torch::full({6}, 7.f)));
  EXPECT_TRUE(same(read_torch_file(golden(GetParam())).at("row"),
                   torch::arange(6, 12).to(torch::kFloat)));  // the file did not change
}

INSTANTIATE_TEST_SUITE_P(BothFormats, TorchFile, ::testing::Values("plain.bin", "legacy.bin"),
                         [](const auto& info) { return info.param[0] == 'p' ? "Zip" : "Legacy"; });

TEST(TorchPickle, ReadsViewsOfStoragesInTheOldFormat) {
  const NamedTensors got = read_torch_file(golden("legacy_views.bin"));
  expect_same(got,
              {{"a", torch::arange(4, torch::kFloat)}, {"b", torch::arange(4, 10).to(torch::kFloat).view({2, 3})}});
}

TEST(TorchPickle, ReadsWhatItWrites) {
  const Scratch scratch;
  NamedTensors tensors = SafetensorsFile::open(golden("expected.safetensors")).tensors();
  tensors["strided"] = torch::arange(12, torch::kFloat).view({3, 4}).t();
  write_torch_file(scratch / "x.bin", tensors);
  expect_same(read_torch_file(scratch / "x.bin"), tensors);
  write_torch_file(scratch / "empty.bin", {});
  EXPECT_TRUE(read_torch_file(scratch / "empty.bin").empty());
}

TEST(TorchPickle, EqualTensorsGiveEqualBytes) {
  const Scratch scratch;
  const Tensor row = torch::arange(4, torch::kFloat).view({1, 4});
  write_torch_file(scratch / "a.bin", {{"x", row}});
  write_torch_file(scratch / "b.bin",
                   {{"x", row.clone().as_strided({1, 4}, {99, 1})}});  // contiguous, with an odd stride
  EXPECT_EQ(bytes_of(scratch / "a.bin"), bytes_of(scratch / "b.bin"));
}

TEST(TorchPickle, LargeFilesUseZip64) {
  const Scratch scratch;
  const NamedTensors tensors = SafetensorsFile::open(golden("expected.safetensors")).tensors();
  for (const uint64_t zip64_from : {0, 20, 500}) {  // as if 4 GB were that little
    AtomicFile file(scratch / "x.bin");
    write_torch_file(file.output(), tensors, zip64_from);
    file.commit();
    expect_same(read_torch_file(scratch / "x.bin"), tensors);
  }
}

}  // namespace
}  // namespace plugtune::formats
