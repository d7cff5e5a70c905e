// fuzz.cc - inputs as files in memory.
#include "fuzz/fuzz.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

namespace plugtune::fuzz {

namespace fs = std::filesystem;

namespace {

/// Made by the first input; gone with the process, unless it dies of a finding.
struct Folder {
  Folder() {
    std::error_code ignored;
    for (const fs::path& place : {fs::path("/dev/shm"), fs::temp_directory_path()}) {
      std::string form = (place / "plugtune-fuzz-XXXXXX").string();
      if (::mkdtemp(form.data()) == nullptr) continue;  // absent, or in a container that may not write there
      path = form;
      return;
    }
    fail("cannot make a directory in /dev/shm or " + fs::temp_directory_path().string());
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

}  // namespace

const fs::path& folder() {
  static const Folder made;
  return made.path;
}

fs::path file(const std::string& name, std::string_view bytes) {
  const fs::path path = folder() / name;
  // A new file each time: bytes of the last input may still be mapped.
  ::unlink(path.c_str());
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  require(fd >= 0 && ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
          "the input can be written to " + path.string());
  ::close(fd);
  return path;
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void fail(const std::string& broken) {
  std::fprintf(stderr, "fuzz: broken: %s\n", broken.c_str());
  std::abort();
}

}  // namespace plugtune::fuzz
