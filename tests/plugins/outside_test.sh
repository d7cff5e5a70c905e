#!/usr/bin/env bash
# outside_test.sh - installs plugtune into a temporary folder; there, outside the repository, builds what `plugtune new` makes and two
# methods against the installed SDK only; then the installed plugtune checks each, trains with it, reloads and merges. A new method is
# a new file: of what was installed no byte changes.
#
#   outside_test.sh BUILD_DIRECTORY [SANITIZERS]
set -euo pipefail
build=$(realpath "$1")
sanitizers=${2:-}
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d "${TMPDIR:-/tmp}/plugtune-outside-XXXXXX")
trap 'rm -rf "$work"' EXIT
prefix=$work/install

say() { echo "outside: $*"; }

say "installing $build into $prefix"
cmake --install "$build" --prefix "$prefix" > "$work/install.log" || { tail "$work/install.log"; exit 1; }

# sums: of every installed file, the program and libplugtune.so among them.
sums() { (cd "$prefix" && find . -type f -print0 | sort -z | xargs -0 sha256sum); }
sums > "$work/before.sha256"
for file in bin/plugtune 'lib.*/libplugtune\.so.*'; do
  grep -q " \./$file\$" "$work/before.sha256" || { echo "$file is not installed"; exit 1; }
done

# A plugin must be built as its host: with the same sanitizers, if any.
flags=()
if [[ -n $sanitizers ]]; then flags=("-DCMAKE_CXX_FLAGS=-fsanitize=$sanitizers"); fi

# build_and_check NAME KIND [check arguments]: of the folder $work/NAME
build_and_check() {
  local name=$1 kind=$2
  shift 2
  say "building $name"
  (
    cd "$work/$name"
    cmake -B build -DCMAKE_PREFIX_PATH="$prefix" "${flags[@]}" > configure.log 2>&1 || { cat configure.log; exit 1; }
    cmake --build build > build.log 2>&1 || { cat build.log; exit 1; }
    "$prefix/bin/plugtune" check "build/$name.$kind.so" --timeout 120 "$@"
  )
}

"$prefix/bin/plugtune" new strategy my-scale "$work/my-scale"
"$prefix/bin/plugtune" new dataset reviews "$work/reviews"
cp -r "$here/outside/my_ia3" "$here/outside/my_prefix" "$work"
build_and_check my-scale strategy
build_and_check reviews dataset --data sample
build_and_check my_ia3 strategy
build_and_check my_prefix strategy

# The unchanged host trains, saves, reloads and merges what it has never seen: one method lies beside its own, the others where they were
# built.
cd "$work"
plugins=$(dirname "$(find "$prefix" -name full.strategy.so)")
cp my-scale/build/my-scale.strategy.so "$plugins"
cp -r "$here/../golden/tiny" tiny
cp "$here/outside/experiment.toml" .
export PLUGTUNE_PLUGIN_PATH=my_ia3/build:my_prefix/build:reviews/build
for method in my_ia3 my_prefix; do
  say "training with $method, and evaluating the run again from its files"
  "$prefix/bin/plugtune" train experiment.toml --quiet --set "strategy.plugin=$method" --set "run.name=$method"
  loss=$("$prefix/bin/plugtune" eval "runs/$method" --json 2> /dev/null | grep -o '"loss":[^,]*' | cut -d: -f2)
  grep -q "$loss" "runs/$method/report.json" || { echo "the reloaded run has loss $loss, which training did not have"; exit 1; }
done
say "training as the folders of \`plugtune new\` say: with a strategy of one's own, with data of one's own"
(cd my-scale && "$prefix/bin/plugtune" train experiment.toml --plugin-path build --quiet && test -e runs/my-scale/report.json)
"$prefix/bin/plugtune" train reviews/experiment.toml --plugin-path reviews/build --set data.path=reviews/sample --quiet
test -e runs/reviews/report.json
say "taking the template's method to another library's files and back"
"$prefix/bin/plugtune" train experiment.toml --quiet --set strategy.plugin=my-scale --set run.name=scale
"$prefix/bin/plugtune" export runs/scale --format peft --output scale-peft
grep -q '"peft_type": "MADE_UP"' scale-peft/adapter_config.json
"$prefix/bin/plugtune" import scale-peft --labels negative,positive --output runs/scale-again
printf 'good\nbad film\n' > texts
"$prefix/bin/plugtune" predict runs/scale --format jsonl < texts > answers
"$prefix/bin/plugtune" predict runs/scale-again --format jsonl < texts > answers-again
cmp answers answers-again
say "merging ia3; prefix cannot be merged, and says why"
"$prefix/bin/plugtune" merge runs/my_ia3 --output merged
code=0
"$prefix/bin/plugtune" merge runs/my_prefix --output merged-prefix 2> refused.txt || code=$?
[[ $code == 2 && ! -e merged-prefix ]] || { echo "merging prefix ended with $code"; exit 1; }
grep -qF "encoder.layer.0.attention.self.my_prefix: cannot be folded into the weights" refused.txt || { cat refused.txt; exit 1; }

say "comparing what was installed with what is there now"
sums > after.sha256
changes=$(diff before.sha256 after.sha256 || true)
[[ $(grep -c '^[<>]' <<< "$changes") == 1 && $changes == *"> "*"/my-scale.strategy.so" ]] ||
  { echo "more than my-scale.strategy.so has changed:"; echo "$changes"; exit 1; }

say "all of them build outside the repository, pass, train, reload and merge, and change nothing of plugtune"
