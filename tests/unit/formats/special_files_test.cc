// special_files_test.cc - what stands where a file was expected: links, pipes, devices, directories, places without permission.
#include <sys/stat.h>

#include "formats/bert_config.h"
#include "formats/checkpoint_files.h"
#include "formats/mapped_file.h"
#include "formats/safetensors.h"
#include "unit/formats/support.h"

namespace plugtune::formats {
namespace {

namespace fs = std::filesystem;

std::string said_about(const Scratch& scratch, const fs::path& path) {
  return error_of(scratch, [&] { MappedFile::open(path); });
}

TEST(SpecialFiles, LinksAreFollowed) {
  // The Hugging Face cache keeps contents under their hashes, and links by their names.
  const Scratch scratch;
  scratch.file("blobs/0f", "contents");
  fs::create_directory(scratch / "snapshot");
  fs::create_symlink("../blobs/0f", scratch / "snapshot/x");
  EXPECT_EQ(MappedFile::open(scratch / "snapshot/x")->bytes(), "contents");
}

TEST(SpecialFiles, LinksThatLeadNowhere) {
  const Scratch scratch;
  fs::create_symlink("gone", scratch / "x");
  fs::create_symlink("y", scratch / "y");
  EXPECT_EQ(said_about(scratch, scratch / "x"), "SCRATCH/x: not found; it is a link to gone, where nothing is");
  EXPECT_EQ(said_about(scratch, scratch / "y"), "SCRATCH/y: cannot be read: too many levels of symbolic links");
}

TEST(SpecialFiles, PipesDevicesAndDirectoriesAreNotWaitedFor) {
  const Scratch scratch;
  ASSERT_EQ(::mkfifo((scratch / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(said_about(scratch, scratch / "pipe"),
            "SCRATCH/pipe: must be a file, got a pipe or a device; write it to a file first");
  EXPECT_EQ(said_about(scratch, "/dev/zero"),
            "/dev/zero: must be a file, got a pipe or a device; write it to a file first");
  EXPECT_EQ(said_about(scratch, scratch.path()), "SCRATCH: cannot be read: is a directory");
}

TEST(SpecialFiles, WithoutPermission) {
  const Scratch scratch;
  scratch.file("d/x", "contents");
  scratch.file("d/config.json", "{}");
  ::chmod(scratch.path().c_str(), 0755);
  ::chmod((scratch / "d/x").c_str(), 0);
  std::string file, directory;
  {
    const AsNobody nobody;
    file = said_about(scratch, scratch / "d/x");
  }
  ::chmod((scratch / "d").c_str(), 0);
  {
    const AsNobody nobody;
    directory = error_of(scratch, [&] { read_bert_config(scratch / "d"); });
  }
  ::chmod((scratch / "d").c_str(), 0700);
  EXPECT_EQ(file, "SCRATCH/d/x: cannot be read: permission denied");
  EXPECT_EQ(directory, "SCRATCH/d/config.json: cannot be read: permission denied");
}

/// A directory of shards whose index says `map`.
std::string said_about_index(const Scratch& scratch, const std::string& map) {
  scratch.file("m/model.safetensors.index.json", "{\"weight_map\": " + map + "}");
  std::vector<fs::path> files;
  return error_of(scratch, [&] { read_checkpoint(scratch / "m", files); });
}

TEST(SpecialFiles, AnIndexDoesNotLeadOutOfItsDirectory) {
  const Scratch scratch;
  write_safetensors(scratch.file("outside.safetensors", ""), {{"a", torch::zeros({1})}});
  const std::string index =
      "SCRATCH/m/model.safetensors.index.json: weight_map 'a' must name a file of this directory, got ";
  EXPECT_EQ(said_about_index(scratch, R"({"a": "../outside.safetensors"})"), index + R"("../outside.safetensors")");
  EXPECT_EQ(said_about_index(scratch, R"({"a": "/etc/passwd"})"), index + R"("/etc/passwd")");
  EXPECT_EQ(said_about_index(scratch, R"({"a": ".."})"), index + R"("..")");
  EXPECT_EQ(said_about_index(scratch, R"({"a": ["x"]})"), index + R"(["x"])");
  EXPECT_EQ(said_about_index(scratch, R"({"a": "x", "a": "y"})"),
            "SCRATCH/m/model.safetensors.index.json: has the key 'a' twice");
  EXPECT_EQ(said_about_index(scratch, R"({"a": "none.safetensors"})"), "SCRATCH/m/none.safetensors: not found");
}

}  // namespace
}  // namespace plugtune::formats
