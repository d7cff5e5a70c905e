// targets.cc - which instruction set the kernels of this process use.
#include "kernels/cpu/targets.h"

#include <hwy/highway.h>
#include <hwy/targets.h>

#include <cstdlib>

#include "plugtune/error.h"

namespace plugtune::kernels::cpu {
namespace {

struct InstructionSet {
  std::string name;
  int64_t target;  // a bit of Highway's; 0 = what is left when nothing better is there
};

// Best first.
const InstructionSet kInstructionSets[] = {
#if defined(__x86_64__)
    {"avx512", HWY_AVX3},
    {"avx2", HWY_AVX2},
    {"scalar", 0},
#else
    {hwy::TargetName(HWY_STATIC_TARGET), HWY_STATIC_TARGET},
#endif
};

bool is_supported(const InstructionSet& set) { return set.target == 0 || (hwy::SupportedTargets() & set.target) != 0; }

constexpr const char* kNone = "none";  // no kernel at all

const InstructionSet& choose(const char* forced) {
  std::vector<std::string> supported;
  for (const InstructionSet& set : kInstructionSets) {
    if (!is_supported(set)) continue;
    if (forced == nullptr || *forced == '\0' || set.name == forced) return set;
    supported.push_back(set.name);
  }
  throw Error("PLUGTUNE_SIMD: must be an instruction set of this processor (" + join(supported) + ") or none, got '" +
              forced + "'; unset it to use the best one");
}

}  // namespace

std::string best_instruction_set(const char* forced) { return choose(forced).name; }

const std::string& chosen_instruction_set() {
  static const std::string chosen = [] {
    const char* forced = std::getenv("PLUGTUNE_SIMD");
    const bool none = forced != nullptr && std::string(forced) == kNone;
    const InstructionSet& set = choose(none ? nullptr : forced);  // masks are made by a kernel always
    hwy::GetChosenTarget().Update(set.target);
    return none ? kNone : set.name;
  }();
  return chosen;
}

bool kernels_are_off() {
  static const bool off = chosen_instruction_set() == kNone;
  return off;
}

}  // namespace plugtune::kernels::cpu
