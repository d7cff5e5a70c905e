#!/usr/bin/env bash
# peers.sh: Python environments with the libraries that plugtune is compared with: hf (transformers, peft, loralib,
# tokenizers), adapters (which pins an older transformers), onnx (ONNX Runtime) and tensorboard. Needed only to regenerate
# tests/golden, to time peers, and to read event files with TensorBoard itself.
#
#   scripts/peers.sh            hf and adapters, into ${PLUGTUNE_CACHE:-~/.cache/plugtune}/peers/{hf,adapters}
#   scripts/peers.sh onnx       one of them
#
# Re-runnable: an environment whose pinned versions have not changed is left alone.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
peers=${PLUGTUNE_CACHE:-$HOME/.cache/plugtune}/peers
python=${PLUGTUNE_PYTHON:-/usr/bin/python3}
need_gb=8

say() { printf 'peers: %s\n' "$*"; }
fail() { printf 'peers: %s\n' "$*" >&2; exit 1; }

"$python" -c 'import venv, ensurepip' 2>/dev/null ||
  fail "needs $python with venv; run: apt-get install python3-venv, or set PLUGTUNE_PYTHON to another Python"

make_environment() {
  local name=$1 directory=$peers/$1 requirements=$repository/tests/golden/requirements-$1.txt
  [ -f "$requirements" ] || fail "unknown environment '$name'; environments: hf, adapters, onnx, tensorboard"
  if cmp -s "$requirements" "$directory/installed.txt"; then
    say "$name is ready in $directory"
    return
  fi
  mkdir -p "$directory"
  local free_gb
  free_gb=$(($(df -Pk "$directory" | awk 'NR == 2 { print $4 }') / 1024 / 1024))
  [ "$free_gb" -ge "$need_gb" ] ||
    fail "needs $need_gb GB free in $peers, found $free_gb GB; free some, or set PLUGTUNE_CACHE to another disk"
  say "making the environment $name in $directory"
  "$python" -m venv "$directory"
  say "installing $(grep -c '^[a-z]' "$requirements") packages of $(basename "$requirements") (torch is large: minutes)"
  "$directory/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" ||
    fail "pip could not install $requirements (see above); check the network and run this script again, it resumes"
  cp "$requirements" "$directory/installed.txt"
  say "$name is ready: $directory/bin/python"
}

[ $# -gt 0 ] || set -- hf adapters
for name in "$@"; do make_environment "$name"; done
