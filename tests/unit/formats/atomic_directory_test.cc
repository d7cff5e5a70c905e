// atomic_directory_test.cc - a directory is replaced whole or not at all, also by a process that is killed.
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "formats/atomic_file.h"
#include "unit/formats/support.h"

namespace plugtune::formats {
namespace {

namespace fs = std::filesystem;

/// "a=1 sub/b=2": every file under `directory` with its text.
std::string contents(const fs::path& directory) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) {
      files.push_back(fs::relative(entry.path(), directory).string() + "=" + bytes_of(entry.path()));
    }
  }
  std::sort(files.begin(), files.end());
  return join(files, " ");
}

void make(const fs::path& path, const std::string& text) {
  AtomicDirectory directory(path);
  directory.write("text", text);
  directory.commit();
}

/// Number of a process that has ended and been waited for.
pid_t dead_process() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return child;
}

TEST(AtomicDirectory, AppearsWholeWithItsParents) {
  const Scratch scratch;
  AtomicDirectory directory(scratch / "runs/x");
  directory.write("a", "1");
  directory.write("sub/b", "2");
  directory.copy(scratch.file("source", "3"), "c");
  std::ofstream(directory.building_path() / "d") << "4";  // a writer that wants a path
  EXPECT_FALSE(fs::exists(scratch / "runs/x"));
  directory.commit();
  EXPECT_EQ(contents(scratch / "runs"), "x/a=1 x/c=3 x/d=4 x/sub/b=2");
}

TEST(AtomicDirectory, ReplacesTheOldOneWithAllItsFiles) {
  const Scratch scratch;
  scratch.file("x/text", "old");
  scratch.file("x/more", "old");
  {
    AtomicDirectory directory(scratch / "x/");
    directory.write("text", "new");
    EXPECT_EQ(bytes_of(scratch / "x/text"), "old");
    directory.commit();
  }
  EXPECT_EQ(contents(scratch.path()), "x/text=new");
}

/// Two processes that both found nothing there: the second must not put its own in the place of the first's.
TEST(AtomicDirectory, ANewOneReplacesNothing) {
  const Scratch scratch;
  {
    AtomicDirectory first(scratch / "x"), second(scratch / "x");
    first.write("text", "first");
    second.write("text", "second");
    EXPECT_TRUE(first.commit_new());
    EXPECT_FALSE(second.commit_new());
  }
  EXPECT_EQ(contents(scratch.path()), "x/text=first");
  std::filesystem::create_directories(scratch / "empty");
  AtomicDirectory directory(scratch / "empty");
  directory.write("text", "new");
  EXPECT_TRUE(directory.commit_new());
}

TEST(AtomicDirectory, WithoutCommitNothingHappened) {
  const Scratch scratch;
  scratch.file("x/text", "old");
  { AtomicDirectory(scratch / "x").write("text", "new"); }
  EXPECT_EQ(contents(scratch.path()), "x/text=old");
}

TEST(AtomicDirectory, ALinkKeepsPointingToTheDirectory) {
  const Scratch scratch;
  scratch.file("disk/x/text", "old");
  fs::create_directory_symlink("disk/x", scratch / "link");
  make(scratch / "link", "new");
  EXPECT_TRUE(fs::is_symlink(scratch / "link"));
  EXPECT_EQ(contents(scratch / "disk"), "x/text=new");
}

TEST(AtomicDirectory, AFileIsNotReplaced) {
  const Scratch scratch;
  scratch.file("x", "mine");
  EXPECT_EQ(error_of(scratch, [&] { make(scratch / "x", "new"); }), "SCRATCH/x: is a file, not a directory");
  EXPECT_EQ(error_of(scratch, [&] { make(scratch / "x/y", "new"); }),
            "SCRATCH/x/y: cannot be written: not a directory; nothing was left behind");
}

TEST(AtomicDirectory, AFullFileSystemKeepsThePreviousOne) {
  const Scratch scratch;
  fs::create_directory(scratch / "disk");
  if (::mount("plugtune", (scratch / "disk").c_str(), "tmpfs", 0, "size=256k") != 0) {
    GTEST_SKIP() << "may not mount a small disk";
  }
  make(scratch / "disk/step-400", "old");
  const std::string said = error_of(scratch, [&] {
    AtomicDirectory directory(scratch / "disk/step-400", "nothing was lost, the previous checkpoint is kept");
    directory.write("small", std::string(100'000, '!'));
    directory.write("large", std::string(12'200'000, '!'));
  });
  const std::string found = contents(scratch / "disk");
  ::umount((scratch / "disk").c_str());
  EXPECT_EQ(said,
            "SCRATCH/disk/step-400: disk is full (needed 12.3 MB); nothing was lost, the previous checkpoint is kept");
  EXPECT_EQ(found, "step-400/text=old");
}

TEST(AtomicDirectory, AMemberThatCannotBeWrittenIsNamed) {
  const Scratch scratch;
  EXPECT_EQ(error_of(scratch,
                     [&] {
                       AtomicDirectory directory(scratch / "x");
                       directory.write("a", "1");
                       directory.write("a/b", "2");
                     }),
            "SCRATCH/x: a/b cannot be written: not a directory; nothing was left behind");
}

TEST(Leftovers, OfDeadProcessesGoOfLivingOnesStay) {
  const Scratch scratch;
  const std::string dead = std::to_string(dead_process());
  scratch.file(".x.tmp-" + dead + "/half", "written");
  scratch.file(".y.tmp-" + dead, "half");
  scratch.file(".y.tmp-" + dead + ".1", "half");
  scratch.file(".x.tmp-1/half", "init is alive");  // the number of a process that lives
  scratch.file(".x.tmp-here/mine", "a name that is not ours");
  AtomicDirectory ours(scratch / "z");
  EXPECT_EQ(remove_leftovers_in(scratch.path()), 3);
  EXPECT_EQ(contents(scratch.path()), ".x.tmp-1/half=init is alive .x.tmp-here/mine=a name that is not ours");
  EXPECT_TRUE(fs::exists(ours.building_path()));
}

TEST(Leftovers, TheNextWriteOfTheSameNameRemovesThem) {
  const Scratch scratch;
  const std::string dead = std::to_string(dead_process());
  scratch.file(".x.tmp-" + dead + "/half", "written");
  scratch.file(".y.tmp-" + dead + "/half", "written");
  make(scratch / "x", "new");
  EXPECT_EQ(contents(scratch.path()), ".y.tmp-" + dead + "/half=written x/text=new");
}

TEST(Leftovers, ADirectoryThatWasSetAsideComesBack) {
  const Scratch scratch;
  const std::string dead = std::to_string(dead_process());
  scratch.file(".x.old-" + dead + "/text", "old");  // died before the new one was in place
  scratch.file(".x.tmp-" + dead + "/text", "new");
  scratch.file(".y.old-" + dead + "/text", "old");  // died after
  scratch.file("y/text", "new");
  remove_leftovers_in(scratch.path());
  EXPECT_EQ(contents(scratch.path()), "x/text=old y/text=new");
}

TEST(Leftovers, APlaceThatCannotBeReadIsNoError) {
  const Scratch scratch;
  EXPECT_EQ(remove_leftovers_in(scratch / "none"), 0);
}

TEST(AtomicDirectory, AKilledProcessLeavesAWholeOne) {
  const Scratch scratch;
  make(scratch / "x", "0000000000");
  for (int kill = 0; kill < 20; ++kill) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (int n = 0;; ++n)
        make(scratch / "x", std::string(10, static_cast<char>('0' + n % 10)));
    }
    ::usleep(2'000 + 700 * kill);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    remove_leftovers_in(scratch.path());
    const std::string found = contents(scratch.path());
    ASSERT_EQ(found, "x/text=" + std::string(10, found.back())) << "kill " << kill;
  }
}

}  // namespace
}  // namespace plugtune::formats
