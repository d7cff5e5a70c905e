#!/usr/bin/env bash
# format.sh - clang-format over plugtune's own C++ files (.clang-format says how).
#
#   scripts/format.sh                    format all
#   scripts/format.sh --check            change nothing; name the files that differ, fail if there are any
#   scripts/format.sh [--check] FILE...  only these
#
# To have every commit checked:  git config core.hooksPath scripts/hooks
set -euo pipefail

# 14 is Debian 12's and the reference: other versions place a few breaks differently.
clang_format=$(command -v clang-format-14 || command -v clang-format) || {
  echo "format: clang-format is not installed; on Debian: apt-get install clang-format" >&2
  exit 1
}
check=0
[[ ${1:-} != --check ]] || { check=1; shift; }
case ${1:-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit ;; esac

if (($# > 0)); then
  files=("$@")
else
  cd "$(dirname "$0")/.."
  mapfile -d '' files < <(git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cc' '*.cu' '*.cuh')
fi
((${#files[@]} > 0)) || { echo "format: no C++ files"; exit; }

in_parallel() { printf '%s\0' "${files[@]}" | xargs -0 -n 8 -P "$(nproc)" "$clang_format" --style=file "$@"; }
if ((!check)); then
  in_parallel -i
  echo "format: ${#files[@]} files formatted"
  exit
fi
differing=$(in_parallel --dry-run -Werror 2>&1 | sed -n 's/:[0-9]*:[0-9]*: error: .*//p' | sort -u || true)
if [[ -n $differing ]]; then
  echo "format: these files are not formatted; run scripts/format.sh" >&2
  echo "$differing" >&2
  exit 1
fi
echo "format: ${#files[@]} files are formatted"
