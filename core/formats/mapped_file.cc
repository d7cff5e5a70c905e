// mapped_file.cc - a file's bytes in memory without reading them, and tensors that lie in them.
#include "formats/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "formats/wording.h"
#include "plugtune/error.h"

namespace plugtune::formats {

static_assert(std::endian::native == std::endian::little, "files are little-endian and are used where they lie");

namespace {

/// What a tensor in a file keeps alive.
struct FileOwner {
  std::shared_ptr<const MappedFile> file;
};
void delete_owner(void* owner) { delete static_cast<FileOwner*>(owner); }

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a pipe would wait for its writer. Links are followed: the Hugging Face cache is made of them.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) throw Error(not_found(path));
  if (fd < 0) throw Error(fmt::format("{}: cannot be read: {}", path.string(), system_reason(errno)));
  struct stat status {};
  void* data = nullptr;
  int failure = ::fstat(fd, &status) == 0 ? 0 : errno;
  if (failure == 0 && S_ISDIR(status.st_mode)) failure = EISDIR;
  if (failure == 0 && !S_ISREG(status.st_mode)) {
    ::close(fd);
    throw Error(fmt::format("{}: must be a file, got a pipe or a device; write it to a file first", path.string()));
  }
  if (failure == 0 && status.st_size > 0) {
    // Writable and private: in-place arithmetic on a loaded tensor must not be a segmentation fault, nor touch the file.
    data = ::mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd,
                  0);
    if (data == MAP_FAILED) failure = errno;
  }
  ::close(fd);
  if (failure != 0) throw Error(fmt::format("{}: cannot be read: {}", path.string(), system_reason(failure)));

  std::shared_ptr<const MappedFile> file(
      new MappedFile(path, static_cast<char*>(data), static_cast<uint64_t>(status.st_size)));
  if (file->bytes().starts_with("version https://git-lfs")) {
    throw Error(fmt::format("{}: is a Git LFS pointer, not the file itself; run 'git lfs pull' where it was cloned",
                            path.string()));
  }
  return file;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Tensor MappedFile::tensor(const std::shared_ptr<const MappedFile>& file, uint64_t offset, torch::IntArrayRef shape,
                          torch::IntArrayRef strides, torch::ScalarType dtype) {
  const auto options = torch::TensorOptions().dtype(dtype);
  int64_t span = 1;  // elements from the first to the last one, both included
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] == 0) return torch::empty(shape, options);
    span += (shape[axis] - 1) * strides[axis];
  }
  char* first = file->data_ + offset;
  const size_t item_bytes = c10::elementSize(dtype);
  if (reinterpret_cast<uintptr_t>(first) % item_bytes != 0) {
    Tensor copy = torch::empty({span}, options);
    std::memcpy(copy.data_ptr(), first, static_cast<size_t>(span) * item_bytes);
    return copy.as_strided(shape, strides);
  }
  return at::for_blob(first, shape)
      .strides(strides)
      .context(new FileOwner{file}, &delete_owner)
      .options(options)
      .make_tensor();
}

void MappedFile::give_back_last(const Tensor& tensor) {
  if (tensor.defined() && tensor.has_storage() && tensor.storage().use_count() == 1) give_back(tensor);
}

void MappedFile::give_back(const Tensor& tensor) {
  if (!tensor.defined() || !tensor.has_storage()) return;
  const c10::DataPtr& memory = tensor.storage().data_ptr();
  if (memory.get_deleter() != &delete_owner) return;
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const bool is_whole = !tensor.is_contiguous();
  const auto first = reinterpret_cast<uintptr_t>(is_whole ? memory.get() : tensor.const_data_ptr());
  const size_t bytes = is_whole ? tensor.storage().nbytes() : tensor.nbytes();
  // Whole pages inside: those at the ends may hold a neighbour that somebody wrote to.
  const uintptr_t begin = (first + page - 1) / page * page, end = (first + bytes) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace plugtune::formats
