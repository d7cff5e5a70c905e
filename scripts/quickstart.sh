#!/usr/bin/env bash
# quickstart.sh - from a fresh checkout to a fine-tuned model: set up, build, train on the bundled Korean film reviews,
# show the report, and classify two sentences. At its end it says how long each part took: 699 s in all the first time on two
# cores, downloads included, 7 s the second time. Each time makes a new run directory; nothing of yours is overwritten.
#
#   scripts/quickstart.sh
#
#   PLUGTUNE_JOBS=N     compile N files at once; default: one per core
set -euo pipefail
cd "$(dirname "$0")/.."
[[ ${1:-} != -h && ${1:-} != --help ]] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit; }

step() { printf '\n== %s\n' "$*"; }
exec 3>&1
show() { printf '$ %s\n' "$*" >&3; "$@"; }
trap '((status = $?)) && echo "quickstart: stopped in step \"$step\"; mend what is said above and run $0 again, finished work is kept" >&2' EXIT

step=setup; step "1/5 $step: Debian packages and libtorch"
scripts/setup.sh
setup_end=$SECONDS

step=build; step "2/5 $step: plugtune and its plugins (once; later only what changed)"
[[ -x build/release/bin/plugtune ]] ||
  echo "the first build compiles everything, which is most of the time of a first quick start (699 s on two cores; here: $(nproc)); it shows how far it is"
show cmake --preset release > /dev/null
show cmake --build build/release --parallel "${PLUGTUNE_JOBS:-$(nproc)}" --target plugtune_all
plugtune=build/release/bin/plugtune
build_end=$SECONDS

run=runs/quickstart
for ((n = 2; ; ++n)); do
  [[ -e $run ]] || break
  run=runs/quickstart-$n
done
step=train; step "3/5 $step: full fine-tuning, then bottleneck adapters: one experiment file and one plugin each"
show $plugtune train configs/nsmc/quickstart.toml --output $run
show $plugtune train configs/nsmc/quickstart-adapter.toml --output $run-adapter
train_end=$SECONDS

step=report; step "4/5 $step: the two side by side"
show $plugtune compare $run $run-adapter

step=predict; step "5/5 $step: two sentences it has not seen"
printf '%s\n' '배우들 연기가 훌륭하고 이야기도 감동적이에요' '연기가 어색하고 전개가 느려서 지루했어요' | show $plugtune predict $run

cat << END

quickstart: done in $SECONDS s: setup $setup_end s, build $((build_end - setup_end)) s, training $((train_end - build_end)) s, the rest $((SECONDS - train_end)) s
The run is in $run.
Next:
  another strategy        $plugtune train configs/nsmc/quickstart-adapter.toml --set 'strategy={plugin="lora"}' --output runs/lora
  what plugins there are  $plugtune plugins
  every setting           $plugtune config configs/nsmc/quickstart.toml
  your own sentences      echo '...' | $plugtune predict $run
END
