// mapped_file_test.cc - memory that is given back to a file.
#include "formats/mapped_file.h"

#include <unistd.h>

#include "unit/formats/support.h"

namespace plugtune::formats {
namespace {

TEST(MappedFile, GivesBackWholePagesOfATensor) {
  const Scratch scratch;
  const int64_t page = ::sysconf(_SC_PAGESIZE), numbers = 3 * page / 4;
  const auto file = MappedFile::open(scratch.file("x", std::string(static_cast<size_t>(4 * page), '\0')));
  // From the middle of the first page to the middle of the last one.
  const Tensor tensor = MappedFile::tensor(file, static_cast<uint64_t>(page / 2), {numbers}, {1}, torch::kFloat);
  tensor.fill_(1);  // never reaches the file: what is given back is lost
  MappedFile::give_back(tensor);
  const int64_t half = page / 2 / 4;
  EXPECT_EQ(tensor.narrow(0, 0, half).min().item<float>(), 1) << "the rest of the page may be somebody else's";
  EXPECT_EQ(tensor.narrow(0, half, numbers - 2 * half).max().item<float>(), 0);
  EXPECT_EQ(tensor.narrow(0, numbers - half, half).min().item<float>(), 1);
}

TEST(MappedFile, TheLastOneHasNobodyBesideIt) {
  const Scratch scratch;
  const int64_t page = ::sysconf(_SC_PAGESIZE);
  const auto file = MappedFile::open(scratch.file("x", std::string(static_cast<size_t>(page), '\0')));
  const Tensor tensor = MappedFile::tensor(file, 0, {page / 4}, {1}, torch::kFloat);
  Tensor other = tensor.detach();
  tensor.fill_(1);
  MappedFile::give_back_last(tensor);
  EXPECT_EQ(tensor.min().item<float>(), 1);
  other = Tensor();
  MappedFile::give_back_last(tensor);
  EXPECT_EQ(tensor.max().item<float>(), 0);
}

TEST(MappedFile, LeavesTensorsThatLieInNoFile) {
  const Tensor tensor = torch::ones({100000});
  MappedFile::give_back(tensor);
  MappedFile::give_back(Tensor());
  EXPECT_EQ(tensor.min().item<float>(), 1);
}

}  // namespace
}  // namespace plugtune::formats
