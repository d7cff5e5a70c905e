// replay_main.cc - runs a fuzz target without a fuzzer: each file of a corpus, then the same damage every time.
//
//   replay_zip tests/fuzz/corpus/zip 5000     the files, then 5000 damaged ones
//   replay_zip crash-0123                     one file
//
// An input that ends the process is left in the working directory as finding-<program>, and its origin is printed.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz/fuzz.h"

namespace {

namespace fs = std::filesystem;

struct Seed {
  std::string name, bytes;
};

/// What runs now, for the message of a process that is about to die: no allocation, no streams there.
struct Running {
  const char* program = "";
  const char* seed = "";
  const char* damage = "";
  std::string bytes;
} running;

void tell_finding() {
  char name[256];
  std::snprintf(name, sizeof name, "finding-%s", running.program);
  const int fd = ::open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  const bool is_saved = fd >= 0 && ::write(fd, running.bytes.data(), running.bytes.size()) >= 0;
  std::fprintf(stderr, "%s: finding in %s, damage '%s'; %s: %s %s\n", running.program, running.seed, running.damage,
               is_saved ? "repeat it with" : "cannot be saved as", running.program, name);
}

void on_signal(int number) {
  std::signal(number, SIG_DFL);
  tell_finding();
  std::raise(number);
}

void on_exception() {
  try {
    if (const auto thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: an exception that is no Error: %s\n", running.program, error.what());
  } catch (...) {
    std::fprintf(stderr, "%s: an exception of unknown type\n", running.program);
  }
  std::abort();  // on_signal tells the rest
}

void run(const Seed& seed, const char* damage, std::string bytes) {
  running.seed = seed.name.c_str();
  running.damage = damage;
  running.bytes = std::move(bytes);
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(running.bytes.data()), running.bytes.size());
}

std::vector<Seed> seeds_of(const fs::path& path) {
  std::vector<fs::path> files;
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::directory_iterator(path))
      files.push_back(entry.path());
  } else {
    files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  std::vector<Seed> seeds;
  for (const fs::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    seeds.push_back({file.filename().string(), std::string(std::istreambuf_iterator<char>(in), {})});
  }
  return seeds;
}

/// Damage of one kind after another; the generator is the same for everyone (the standard fixes mt19937).
class Damage {
 public:
  explicit Damage(const std::vector<Seed>& seeds) : seeds_(seeds) {}

  /// Cut off at each byte, long files at some.
  void cut(const Seed& seed) {
    constexpr size_t kCuts = 600;
    const size_t stride = std::max<size_t>(1, seed.bytes.size() / kCuts);
    for (size_t length = 0; length < seed.bytes.size(); length += stride)
      run(seed, "cut off", seed.bytes.substr(0, length));
  }

  void random(const Seed& seed) {
    std::string bytes = seed.bytes;
    const char* kind = "";
    for (size_t count = 1 + below(3); count > 0 && !bytes.empty(); --count) {
      switch (below(5)) {
        case 0:
          kind = "a bit", flip(bytes);
          break;
        case 1:
          kind = "a number", number(bytes);
          break;
        case 2:
          kind = "a digit or sign", character(bytes);
          break;
        case 3:
          kind = "bytes taken out or doubled", move(bytes);
          break;
        default:
          kind = "the rest of another file", splice(bytes);
      }
    }
    run(seed, kind, std::move(bytes));
  }

 private:
  size_t below(size_t count) { return count == 0 ? 0 : random_() % count; }

  void flip(std::string& bytes) { bytes[below(bytes.size())] ^= static_cast<char>(1 << below(8)); }

  /// Lengths, offsets and counts of binary formats.
  void number(std::string& bytes) {
    static constexpr uint64_t kValues[] = {0,          1,          0x7F,      0x80,       0xFF,
                                           0x7FFF,     0x8000,     0xFFFF,    0x7FFFFFFF, 0x80000000,
                                           0xFFFFFFFF, 1ull << 40, INT64_MAX, 1ull << 63, UINT64_MAX};
    const size_t width = std::min(size_t{1} << below(4), bytes.size());
    const size_t at = below(bytes.size() - width + 1);
    uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, width);
    value = below(3) == 0 ? value + (below(2) == 0 ? 1 : -1) : kValues[below(std::size(kValues))];
    std::memcpy(bytes.data() + at, &value, width);
  }

  /// Characters that mean something in the text formats.
  void character(std::string& bytes) {
    static constexpr std::string_view kTrouble = "\"'\\,;:\t\n\r{}[]()#=.-+eE0123456789u\x80\xED\xFF ";
    bytes[below(bytes.size())] = kTrouble[below(kTrouble.size())];
  }

  void move(std::string& bytes) {
    const size_t at = below(bytes.size()), count = 1 + below(16);
    if (below(2) == 0) {
      bytes.erase(at, count);
    } else {
      bytes.insert(below(bytes.size() + 1), bytes.substr(at, count));
    }
  }

  void splice(std::string& bytes) {
    const std::string& other = seeds_[below(seeds_.size())].bytes;
    if (other.empty()) return;
    bytes = bytes.substr(0, below(bytes.size())) + other.substr(below(other.size()));
  }

  const std::vector<Seed>& seeds_;
  std::mt19937 random_{20250101};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FILE-OR-DIRECTORY [RUNS]\n", argv[0]);
    return 2;
  }
  const std::string program = fs::path(argv[0]).filename().string();
  running.program = program.c_str();
  std::signal(SIGSEGV, on_signal), std::signal(SIGBUS, on_signal), std::signal(SIGFPE, on_signal);
  std::signal(SIGABRT, on_signal);
  std::set_terminate(on_exception);

  const std::vector<Seed> seeds = seeds_of(argv[1]);
  if (seeds.empty()) {
    std::fprintf(stderr, "%s: %s: has no files\n", argv[0], argv[1]);
    return 2;
  }
  size_t runs = 0;
  const size_t wanted = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
  for (const Seed& seed : seeds)
    run(seed, "none", seed.bytes), ++runs;
  Damage damage(seeds);
  if (wanted > 0) {
    for (const Seed& seed : seeds)
      damage.cut(seed);
  }
  for (size_t i = 0; i < wanted; ++i, ++runs)
    damage.random(seeds[i % seeds.size()]);
  std::printf("%s: %zu files, %zu damaged ones, cuts of each file: no finding\n", program.c_str(), seeds.size(),
              wanted);
  return 0;
}
