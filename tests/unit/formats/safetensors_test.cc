// safetensors_test.cc - what we read and write is what the reference library reads and writes.
#include "formats/safetensors.h"

#include "unit/formats/support.h"

namespace plugtune::formats {
namespace {

TEST(Safetensors, ReadsEveryElementTypeOfTheReference) {
  const auto file = SafetensorsFile::open(golden("all_types.safetensors"));
  EXPECT_EQ(file.names().size(), 16u);
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  const std::pair<const char*, torch::ScalarType> types[] = {
      {"bool", torch::kBool},     {"uint8", torch::kByte},   {"int8", torch::kChar},         {"int16", torch::kShort},
      {"uint16", torch::kUInt16}, {"int32", torch::kInt},    {"uint32", torch::kUInt32},     {"int64", torch::kLong},
      {"uint64", torch::kUInt64}, {"float16", torch::kHalf}, {"bfloat16", torch::kBFloat16}, {"float32", torch::kFloat},
      {"float64", torch::kDouble}};
  for (const auto& [name, type] : types) {
    const Tensor tensor = file.tensor(std::string(name) + ".weight");
    EXPECT_EQ(tensor.scalar_type(), type) << name;
    const Tensor expected = type == torch::kBool ? torch::arange(6).remainder(2) : torch::arange(6);
    EXPECT_TRUE(tensor.to(torch::kLong).equal(expected.view({2, 3}))) << name;
  }
  EXPECT_TRUE(same(file.tensor("scalar"), torch::tensor(1.5f).squeeze()));
  EXPECT_TRUE(same(file.tensor("empty"), torch::empty({0, 4})));
  EXPECT_TRUE(same(file.tensor("한국어 \"\\\n\t\x01\x7f/é"), torch::arange(2, torch::kFloat)));
}

TEST(Safetensors, EqualTensorsGiveTheReferencesBytes) {
  const Scratch scratch;
  for (const char* name : {"all_types.safetensors", "expected.safetensors", "tiny/model.safetensors"}) {
    const auto file = SafetensorsFile::open(golden(name));
    write_safetensors(scratch / "again.safetensors", file.tensors(), file.metadata());
    EXPECT_EQ(bytes_of(scratch / "again.safetensors"), bytes_of(golden(name))) << name;
  }
}

TEST(Safetensors, WritesViewsAsTheirNumbers) {
  const Scratch scratch;
  const Tensor base = torch::arange(12, torch::kFloat).view({3, 4}).requires_grad_();
  write_safetensors(scratch / "x.safetensors", {{"t", base.t()}, {"e", base.select(0, 1).expand({2, 4})}});
  const auto file = SafetensorsFile::open(scratch / "x.safetensors");
  EXPECT_TRUE(same(file.tensor("t"), base.t()));
  EXPECT_TRUE(same(file.tensor("e"), base[1].expand({2, 4})));
  EXPECT_TRUE(file.metadata().empty());
}

TEST(Safetensors, AnEmptyFileOfTensorsIsOne) {
  const Scratch scratch;
  write_safetensors(scratch / "x.safetensors", {});
  EXPECT_EQ(bytes_of(scratch / "x.safetensors"), std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
  EXPECT_TRUE(SafetensorsFile::open(scratch / "x.safetensors").names().empty());
}

TEST(Safetensors, TensorsLieInTheFileAndOutliveTheReader) {
  const Scratch scratch;
  write_safetensors(scratch / "x.safetensors", {{"a", torch::ones({4})}, {"b", torch::zeros({4})}});
  NamedTensors tensors = SafetensorsFile::open(scratch / "x.safetensors").tensors();
  // Side by side as in the file: nothing was copied.
  EXPECT_EQ(static_cast<char*>(tensors["b"].data_ptr()) - static_cast<char*>(tensors["a"].data_ptr()), 16);
  std::filesystem::remove(scratch / "x.safetensors");
  EXPECT_TRUE(same(tensors["a"], torch::ones({4})));
}

TEST(Safetensors, WritingToATensorDoesNotChangeTheFile) {
  const Scratch scratch;
  write_safetensors(scratch / "x.safetensors", {{"a", torch::ones({4})}});
  Tensor a = SafetensorsFile::open(scratch / "x.safetensors").tensor("a");
  a.add_(1);
  EXPECT_TRUE(same(a, torch::full({4}, 2.f)));
  EXPECT_TRUE(same(SafetensorsFile::open(scratch / "x.safetensors").tensor("a"), torch::ones({4})));
}

TEST(Safetensors, ReadsTensorsAtOddAddresses) {
  // Other writers sort differently: a byte tensor in front leaves the floats unaligned.
  const std::string header =
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})";
  const float numbers[] = {1.5f, -2.f};
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  bytes += header + "\x07" + std::string(reinterpret_cast<const char*>(numbers), 8);
  const Scratch scratch;
  const auto file = SafetensorsFile::open(scratch.file("x.safetensors", bytes));
  EXPECT_TRUE(same(file.tensor("b"), torch::tensor({1.5f, -2.f})));
}

TEST(Safetensors, AskingForATensorThatIsNotThereNamesTheNearest) {
  const Scratch scratch;
  write_safetensors(scratch / "x.safetensors", {{"pooler.dense.weight", torch::ones({1})}, {"a", torch::ones({1})}});
  const auto file = SafetensorsFile::open(scratch / "x.safetensors");
  EXPECT_FALSE(file.contains("pooler.dense.wieght"));
  EXPECT_EQ(error_of(scratch, [&] { file.tensor("pooler.dense.wieght"); }),
            "SCRATCH/x.safetensors: has no tensor 'pooler.dense.wieght'; did you mean 'pooler.dense.weight'?");
}

}  // namespace
}  // namespace plugtune::formats
