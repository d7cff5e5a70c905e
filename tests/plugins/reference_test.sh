#!/usr/bin/env bash
# reference_test.sh - everything public in sdk/include has a comment, and doxygen understands all of them.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v doxygen > /dev/null || { echo "reference: doxygen is not installed, comments not checked (Debian: apt-get install doxygen)"; exit 77; }
output=$(mktemp -d "${TMPDIR:-/tmp}/plugtune-reference-XXXXXX")
trap 'rm -rf "$output"' EXIT
export PLUGTUNE_DOCS_OUTPUT=$output
doxygen docs/Doxyfile > "$output/log" 2>&1 || { cat "$output/log"; exit 1; }
if [[ -s $output/log ]]; then
  cat "$output/log"
  echo "reference: comment what is named above, in one line if that says it"
  exit 1
fi
# An empty reference would have no warnings either.
for class in LinearSite Strategy Dataset Bottleneck; do
  pages=("$output"/html/*"$class.html")
  [[ -e ${pages[0]} ]] || { echo "reference: has no page of $class"; exit 1; }
done
