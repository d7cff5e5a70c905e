#!/usr/bin/env bash
# fetch_libtorch.sh - puts the official libtorch, taken out of the torch wheel, where CMake looks for it.
#
#   scripts/fetch_libtorch.sh        (scripts/setup.sh calls it)
#
#   PLUGTUNE_CACHE=DIR           where it is kept; default ~/.cache/plugtune
#   PLUGTUNE_LIBTORCH=DIR        a libtorch of my own (the folder that has lib/ and include/): nothing is fetched
#   PLUGTUNE_CUDA=ON|OFF         keep the wheel's CUDA libraries; default: ON the first time if nvcc is found
#   PLUGTUNE_KEEP_DOWNLOADS=1    keep the wheels in DIR/downloads
#
# Without a network: put the wheels named below into DIR/downloads by hand.
set -euo pipefail

version=2.11.0
# project, file, bytes, sha256. The two small wheels hold what libtorch_cpu.so names as needed, also where there is no GPU:
# the official build records profiles through CUPTI. Versions: cuda-toolkit[cudart,cupti]==13.0.2, which torch 2.11.0 asks for.
wheels=(
  "torch torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl 530604548 7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a"
  "nvidia-cuda-runtime nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl 2243632 7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"
  "nvidia-cuda-cupti nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl 10715597 4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8"
)
cpu_members=(
  'torch/include/*' torch/version.py 'torch-*/licenses/*'
  torch/lib/libc10.so torch/lib/libtorch_cpu.so torch/lib/libgomp.so.1
  nvidia/cu13/lib/libcudart.so.13 nvidia/cu13/lib/libcupti.so.13
)
cuda_members=(
  torch/lib/libc10_cuda.so torch/lib/libtorch_cuda.so torch/lib/libtorch_cuda_linalg.so torch/lib/libtorch.so
  torch/lib/libcaffe2_nvrtc.so torch/lib/libtorch_nvshmem.so
)

cache=${PLUGTUNE_CACHE:-${HOME:?setup: HOME is not set; set it, or set PLUGTUNE_CACHE}/.cache/plugtune}
target=$cache/libtorch-$version
marker=$target/.complete   # holds "cpu" or "cuda"; written before the folder gets its name, so the folder is whole or absent
downloads=$cache/downloads
unpacking=$cache/unpacking # not libtorch-*: CMake must not find it

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }
gigabytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f GB", bytes / 1e9 }'; }
size_of() { stat -c %s "$1" 2> /dev/null || echo 0; }

use_own_libtorch() {
  [[ -f $PLUGTUNE_LIBTORCH/lib/libtorch_cpu.so && -d $PLUGTUNE_LIBTORCH/include ]] || fail \
    "PLUGTUNE_LIBTORCH=$PLUGTUNE_LIBTORCH has no lib/libtorch_cpu.so or no include/; name the folder that has both, or unset it"
  say "libtorch is yours, in $PLUGTUNE_LIBTORCH (PLUGTUNE_LIBTORCH)"
}

is_complete() { [[ -f $marker && (${PLUGTUNE_CUDA:-} != ON || $(< "$marker") == cuda) ]]; }

check_disk() {  # the wheels that are still to come and what they unpack to
  local required=600000000 wheel project file bytes sha256 found
  [[ $variant == cuda ]] && required=1200000000
  for wheel in "${wheels[@]}"; do
    read -r project file bytes sha256 <<< "$wheel"
    [[ -f $downloads/$file ]] || required=$((required + bytes - $(size_of "$downloads/$file.part")))
  done
  found=$(df --output=avail -B1 "$cache" | tail -1)
  ((found >= required)) || fail \
    "needs $(gigabytes "$required") free in $cache, found $(gigabytes "$found"); free some, or set PLUGTUNE_CACHE to a folder on another disk"
}

# pip knows the package index, its certificates and credentials; its log names the address of every file of a project.
# (pip download would fetch it too, but starts from nothing after an interruption.)
find_url() {  # project, file
  local log url
  log=$(python3 -m pip --disable-pip-version-check --no-color index versions "$1" -vv --retries 2 2>&1 || true)
  url=$(grep -oE "[^ (]+/${2//./\\.}" <<< "$log" | sed -n 1p)
  if [[ -z $url ]]; then
    grep -qE "(Found|Skipping) link.*/${1//-/_}-[0-9]" <<< "$log" && fail \
      "pip's package index does not offer $2; use an index that has it (pip config set global.index-url ...), or put the file into $downloads"
    fail "pip cannot reach its package index (try: python3 -m pip index versions $1); check the network and run scripts/setup.sh again, or put $2 into $downloads"
  fi
  echo "$url"
}

download() {  # url, file, bytes; goes on from what an earlier try left
  local part=$downloads/$2.part status=0 progress=(--silent --show-error) attempt
  [[ -t 2 ]] && progress=(--progress-bar)
  for attempt in 1 2 3 4 5; do
    (($(size_of "$part") >= $3)) && return
    status=0
    curl --fail --location "${progress[@]}" --connect-timeout 30 --speed-limit 1000 --speed-time 60 \
      --continue-at - --output "$part" "$1" || status=$?
    case $status in
      0) ;;
      23) fail "cannot write $part (full disk?); free some space and run scripts/setup.sh again, the download goes on from $(size_of "$part") bytes" ;;
      33) rm -f "$part" ;;  # this server cannot continue a download
      *) sleep $((attempt * 2)) ;;
    esac
  done
  (($(size_of "$part") >= $3)) || fail \
    "the download of $2 stopped at $(size_of "$part") of $3 bytes (curl error $status); check the network and run scripts/setup.sh again, it goes on from there"
}

fetch() {  # project, file, bytes, sha256
  local path=$downloads/$2 url found
  if [[ ! -f $path ]]; then
    url=$(find_url "$1" "$2")
    say "downloading $2 ($(($3 / 1000000)) MB)"
    download "$url" "$2" "$3"
    mv "$path.part" "$path"
  fi
  found=$(sha256sum "$path" | cut -d' ' -f1)
  if [[ $found != "$4" ]]; then
    rm -f "$path"
    fail "$path: expected sha256 $4, got $found; it is damaged or another build and was deleted, run scripts/setup.sh again"
  fi
}

unpack() {
  local members=("${cpu_members[@]}") wheel project file bytes sha256 member status errors missing
  [[ $variant == cuda ]] && members+=("${cuda_members[@]}")
  say "unpacking libtorch $version ($variant) into $target"
  rm -rf "$unpacking"
  for wheel in "${wheels[@]}"; do
    read -r project file bytes sha256 <<< "$wheel"
    status=0
    errors=$(unzip -q -o "$downloads/$file" "${members[@]}" -d "$unpacking" 2>&1 < /dev/null) || status=$?
    # 11: a pattern matched nothing, since each wheel has only some of the members; all are looked for below.
    if ((status != 0 && status != 11)); then
      rm -rf "$unpacking"
      fail "cannot unpack $file into $cache (unzip: $(sed -n '/[^[:space:]]/{p;q}' <<< "$errors")); if the disk is full free some space, then run scripts/setup.sh again"
    fi
  done
  for member in "${members[@]}"; do
    compgen -G "$unpacking/$member" > /dev/null || fail "$member is in none of the wheels; this is our mistake, please report it"
  done
  missing=$(ldd "$unpacking/torch/lib/libtorch_cpu.so" | grep 'not found' || true)
  [[ -z $missing ]] || fail "libtorch $version cannot be loaded on this system, which lacks: ${missing//$'\n'/; }; it needs glibc 2.28 or newer"
  echo "$variant" > "$unpacking/.complete"
  rm -rf "$target"
  mv "$unpacking" "$target"
}

if [[ -n ${PLUGTUNE_LIBTORCH:-} ]]; then
  use_own_libtorch
  exit
fi
if ! is_complete; then
  [[ $(uname -m) == x86_64 ]] || fail "the libtorch wheel is for x86_64, this machine is $(uname -m); build libtorch $version for it and set PLUGTUNE_LIBTORCH"
  mkdir -p "$downloads" 2> /dev/null && [[ -w $cache ]] || fail "cannot write to $cache; set PLUGTUNE_CACHE to a folder that you may write to"
  trap 'echo "setup: stopped; run it again, a download goes on where it was" >&2; exit 130' INT TERM
  exec 9> "$cache/.lock"
  flock -n 9 || { say "another setup is at work on $cache; waiting for it"; flock 9; }
fi
if ! is_complete; then
  variant=cpu
  [[ ${PLUGTUNE_CUDA:-} == ON || (-z ${PLUGTUNE_CUDA:-} && -n $(command -v nvcc)) ]] && variant=cuda
  check_disk
  for wheel in "${wheels[@]}"; do
    read -r project file bytes sha256 <<< "$wheel"
    fetch "$project" "$file" "$bytes" "$sha256"
  done
  unpack
  [[ ${PLUGTUNE_KEEP_DOWNLOADS:-0} == 1 ]] || rm -rf "$downloads"
fi
say "libtorch $version ($(< "$marker")) is in $target"
