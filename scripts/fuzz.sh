#!/usr/bin/env bash
# fuzz.sh - builds one fuzz target with clang, libFuzzer and the sanitizers, and runs it (docs/fuzzing.md).
#
#   scripts/fuzz.sh zip             15 minutes
#   scripts/fuzz.sh zip 2           2 minutes
#   scripts/fuzz.sh zip build       only builds build/fuzz/tests/fuzz_zip
#   scripts/fuzz.sh list            the targets
#
# New inputs are kept in build/fuzz/corpus/<target>; a finding is left in build/fuzz/findings/<target>-*.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=$(sed -n 's/^plugtune_fuzz_target(\([a-z_]*\).*/\1/p' tests/fuzz/CMakeLists.txt)
case ${1:-} in
  list) echo "$targets"; exit ;;
  "" | -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit ;;
esac
target=$1 minutes=${2:-15} build=build/fuzz
grep -qx -- "$target" <<< "$targets" || { echo "fuzz: no target '$target'; targets: ${targets//$'\n'/ }" >&2; exit 2; }

# Lambdas that capture structured bindings are C++20, and clang has them from 16 on.
compiler=
for name in clang++ clang++-{19,18,17,16}; do
  command -v "$name" > /dev/null || continue
  [[ $(echo __clang_major__ | "$name" -E -P -x c++ -) -ge 16 ]] && compiler=$(command -v "$name") && break
done
[[ -n $compiler ]] || { echo "fuzz: needs clang 16 or newer: apt-get install clang-16 libclang-rt-16-dev" >&2; exit 2; }
echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
  "$compiler" -x c++ -fsanitize=fuzzer,address,undefined - -o /dev/null 2> /dev/null ||
  { echo "fuzz: $compiler has no libFuzzer: apt-get install libclang-rt-16-dev (or that of its version)" >&2; exit 2; }
# A table of settings is a variant of vectors of itself. With C++20's constexpr destructor of vectors, clang wants the size of the
# element while the table is being declared; GCC does not. The copy's destructors are what they were in C++17.
vector=$(echo '#include <vector>' | "$compiler" -std=c++20 -E -x c++ - | sed -n 's/^# 1 "\(.*bits\/stl_vector.h\)".*/\1/p')
vector=${vector%%$'\n'*}
mkdir -p "$build/include/bits"
sed '/_GLIBCXX20_CONSTEXPR/{N;s/_GLIBCXX20_CONSTEXPR\n\( *~\)/\n\1/}' "$vector" > "$build/include/bits/stl_vector.h.new"
cmp -s "$build/include/bits/stl_vector.h.new" "$build/include/bits/stl_vector.h" ||
  mv "$build/include/bits/stl_vector.h.new" "$build/include/bits/stl_vector.h"

echo "fuzz: building fuzz_$target in $build"
cmake -S . -B "$build" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE= -DPLUGTUNE_FUZZ=ON \
  -DPLUGTUNE_WERROR=OFF -DPLUGTUNE_SANITIZE=address,undefined \
  -DCMAKE_CXX_FLAGS="-O1 -g1 -fsanitize=fuzzer-no-link -isystem $PWD/$build/include" > /dev/null
cmake --build "$build" --target "fuzz_$target" --parallel "${PLUGTUNE_JOBS:-$(nproc)}"
[[ $minutes != build ]] || exit 0

mkdir -p "$build/corpus/$target" "$build/findings"
dictionary=tests/fuzz/dictionaries/$target.dict
echo "fuzz: running fuzz_$target for $minutes minutes"
# Containers cross the line to libtorch, which has no sanitizers: their overflow checks would be wrong. Registries of libtorch
# and of plugins are never freed.
export ASAN_OPTIONS=detect_container_overflow=0:detect_leaks=0:allocator_may_return_null=1 OMP_NUM_THREADS=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
"$build/tests/fuzz_$target" -max_total_time=$((minutes * 60)) -max_len=8192 -timeout=10 -rss_limit_mb=2048 \
  -print_final_stats=1 -artifact_prefix="$build/findings/$target-" \
  $([[ ! -f $dictionary ]] || echo "-dict=$dictionary") "$build/corpus/$target" "tests/fuzz/corpus/$target"
echo "fuzz: no finding in $minutes minutes of $target"
