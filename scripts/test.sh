#!/usr/bin/env bash
# test.sh - sets up, builds and runs every test.
#
#   scripts/test.sh                  optimised build, what continuous integration runs
#   scripts/test.sh --dev            debug build with address and undefined-behaviour sanitizers
#   scripts/test.sh -R lora          only some: further arguments go to ctest
#
#   PLUGTUNE_JOBS=N                  compile N files at once; default: one per core
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release
case ${1:-} in
  --dev) preset=dev; shift ;;
  -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit ;;
esac
build=build/$preset

scripts/setup.sh --tests
echo "test: building preset '$preset' in $build"
cmake --preset "$preset" > /dev/null
cmake --build "$build" --parallel "${PLUGTUNE_JOBS:-$(nproc)}"
built=$SECONDS

# Handles of plugins are leaked on purpose, and so are libtorch's registries: leak reports would name nothing of interest.
[[ $preset != dev ]] || export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
echo "test: running the tests"
results=$PWD/$build/tests.xml
rm -f "$results"
status=0
ctest --test-dir "$build" -j2 --output-on-failure --no-tests=error --output-junit "$results" "$@" || status=$?

count() { grep -cE "^[[:space:]]*<$1" "$results" || true; }
if [[ -f $results ]]; then
  passed=$(count 'testcase .* status="run">$')
  skipped=$(($(count 'testcase .* status="disabled">$') + $(count 'skipped message="SKIP_')))
  failed=$(($(count 'testcase ') - passed - skipped))  # failed, timed out, crashed or could not be started
  echo "test: built in ${built} s, tested in $((SECONDS - built)) s"
  ((status == 0)) || echo "test: rerun one with: scripts/test.sh$([[ $preset == dev ]] && echo ' --dev') -R NAME"
  echo "tests: $passed passed, $failed failed, $skipped skipped"
fi
exit "$status"
