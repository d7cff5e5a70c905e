// atomic_file_test.cc - a failed write leaves what was there, and says so; a finished one is whole.
#include "formats/atomic_file.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "formats/safetensors.h"
#include "unit/formats/support.h"

namespace plugtune::formats {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// Files of this process end at `bytes` while it lives: a full disk for everyone who may not mount one.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(AtomicFile, AppearsWholeAndReplaces) {
  const Scratch scratch;
  write_file_atomically(scratch / "x", "old");
  AtomicFile file(scratch / "x");
  file.output().write("new");
  file.output().write(std::string(3'000'000, '!'));
  EXPECT_EQ(bytes_of(scratch / "x"), "old");
  file.commit();
  EXPECT_EQ(bytes_of(scratch / "x"), "new" + std::string(3'000'000, '!'));
  EXPECT_EQ(names_in(scratch.path()), std::vector<std::string>{"x"});
}

TEST(AtomicFile, WithoutCommitNothingHappened) {
  const Scratch scratch;
  write_file_atomically(scratch / "x", "old");
  { AtomicFile(scratch / "x").output().write("new"); }
  EXPECT_EQ(bytes_of(scratch / "x"), "old");
  EXPECT_EQ(names_in(scratch.path()), std::vector<std::string>{"x"});
}

TEST(AtomicFile, KeepsLinksAndPermissions) {
  const Scratch scratch;
  write_file_atomically(scratch / "x", "old");
  ::chmod((scratch / "x").c_str(), 0640);
  fs::create_symlink("x", scratch / "link");
  write_file_atomically(scratch / "link", "new");
  EXPECT_TRUE(fs::is_symlink(scratch / "link"));
  EXPECT_EQ(bytes_of(scratch / "x"), "new");
  EXPECT_EQ(fs::status(scratch / "x").permissions(), fs::perms(0640));
}

TEST(AtomicFile, AFullDiskLosesNothing) {
  const Scratch scratch;
  write_file_atomically(scratch / "x", "old");
  {
    const FileSizeLimit limit(100'000);
    EXPECT_EQ(error_of(scratch,
                       [&] {
                         write_safetensors(scratch / "x", {{"a", torch::zeros({100'000})}});
                       }),
              "SCRATCH/x: file size limit is exceeded (needed 400.1 kB; see 'ulimit -f'); nothing was lost, the file "
              "that was there is kept");
    EXPECT_EQ(error_of(scratch, [&] { write_file_atomically(scratch / "y", std::string(200'000, '!')); }),
              "SCRATCH/y: file size limit is exceeded (needed 200.0 kB; see 'ulimit -f'); no file was left behind");
  }
  EXPECT_EQ(bytes_of(scratch / "x"), "old");
  EXPECT_EQ(names_in(scratch.path()), std::vector<std::string>{"x"});
}

TEST(AtomicFile, AFullFileSystemLosesNothing) {
  const Scratch scratch;
  fs::create_directory(scratch / "disk");
  if (::mount("plugtune", (scratch / "disk").c_str(), "tmpfs", 0, "size=256k") != 0) {
    GTEST_SKIP() << "may not mount a small disk";
  }
  write_file_atomically(scratch / "disk/x", "old");
  // Known beforehand by the one that says its size, found out while writing by the other.
  const std::string by_size = error_of(scratch, [&] {
    write_safetensors(scratch / "disk/x", {{"a", torch::zeros({100'000})}});
  });
  const std::string by_writing =
      error_of(scratch, [&] { write_file_atomically(scratch / "disk/x", std::string(12'345'678, '!')); });
  const std::string kept = bytes_of(scratch / "disk/x");
  const auto names = names_in(scratch / "disk");
  ::umount((scratch / "disk").c_str());
  EXPECT_EQ(by_size,
            "SCRATCH/disk/x: disk is full (needed 400.1 kB); nothing was lost, the file that was there is kept");
  EXPECT_EQ(by_writing,
            "SCRATCH/disk/x: disk is full (needed 12.3 MB); nothing was lost, the file that was there is kept");
  EXPECT_EQ(kept, "old");
  EXPECT_EQ(names, std::vector<std::string>{"x"});
}

TEST(AtomicFile, PlacesThatCannotBeWritten) {
  const Scratch scratch;
  scratch.file("file", "");
  EXPECT_EQ(error_of(scratch, [&] { write_file_atomically(scratch / "none/x", ""); }),
            "SCRATCH/none/x: cannot be written: no such file or directory; no file was left behind");
  EXPECT_EQ(error_of(scratch, [&] { write_file_atomically(scratch / "file/x", ""); }),
            "SCRATCH/file/x: cannot be written: not a directory; no file was left behind");
  EXPECT_EQ(error_of(scratch, [&] { write_file_atomically(scratch.path(), ""); }),
            "SCRATCH: is a directory, not a file");
  EXPECT_EQ(error_of(scratch, [&] { write_file_atomically("/dev/full", ""); }), "/dev/full: is a device, not a file");
  EXPECT_EQ(error_of(scratch, [&] { AtomicFile(scratch / "none/x", "the model is still in memory"); }),
            "SCRATCH/none/x: cannot be written: no such file or directory; the model is still in memory");
}

TEST(AtomicFile, AReadOnlyDirectoryIsTold) {
  const Scratch scratch;
  fs::create_directory(scratch / "d");
  write_file_atomically(scratch / "d/x", "old");
  ::chmod(scratch.path().c_str(), 0755);
  ::chmod((scratch / "d").c_str(), 0555);
  std::string file, directory;
  {
    const AsNobody nobody;
    file = error_of(scratch, [&] { write_file_atomically(scratch / "d/x", "new"); });
    directory = error_of(scratch, [&] { AtomicDirectory(scratch / "d/run").write("text", "new"); });
  }
  ::chmod((scratch / "d").c_str(), 0700);
  EXPECT_EQ(file,
            "SCRATCH/d/x: cannot be written: permission denied; nothing was lost, the file that was there is kept");
  EXPECT_EQ(directory, "SCRATCH/d/run: cannot be written: permission denied; nothing was left behind");
  EXPECT_EQ(bytes_of(scratch / "d/x"), "old");
  EXPECT_EQ(names_in(scratch / "d"), std::vector<std::string>{"x"});
}

}  // namespace
}  // namespace plugtune::formats
