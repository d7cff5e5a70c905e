#!/usr/bin/env bash
# make_files.sh - makes the plugins that no compiler would make out of a sound one: cut off, not a library, another stamp.
#
#   make_files.sh sound.strategy.so OUTPUT_DIRECTORY
set -euo pipefail
export LC_ALL=C
sound=$1
out=$2
mkdir -p "$out"

file() { echo "$out/$1.strategy.so"; }
# edit NAME SCRIPT: a copy changed in place; the stamp keeps its length, or the library would fall apart.
edit() {
  sed "$2" "$sound" > "$(file "$1")"
  [[ $(wc -c < "$(file "$1")") == $(wc -c < "$sound") ]] || { echo "make_files: $1 has another length than $sound" >&2; exit 1; }
}
# poke NAME OFFSET BYTE (octal)
poke() {
  cp "$sound" "$(file "$1")"
  printf "\\$3" | dd of="$(file "$1")" bs=1 seek="$2" conv=notrunc status=none
}

: > "$(file empty-file)"
printf '#!/bin/sh\necho "I am a plugin"\n' > "$(file text-file)"
printf '\001\002\003\004\005' > "$(file binary-file)"
head -c 40 "$sound" > "$(file truncated-at-once)"
head -c $(($(wc -c < "$sound") / 2)) "$sound" > "$(file truncated)"
poke other-machine 18 363    # e_machine: 243, RISC-V
poke object-file 16 001      # e_type: relocatable
edit no-stamp 's/PLUGTUNE-ABI-STAMP:/PLUGTUNE-ABI-STUMP:/g'
edit newer-stamp-format 's/PLUGTUNE-ABI-STAMP:1;/PLUGTUNE-ABI-STAMP:2;/g'
edit other-sdk-major 's/;sdk=1\.0;/;sdk=2.0;/g'
edit newer-sdk-minor 's/;sdk=1\.0;/;sdk=1.9;/g'
edit other-compiler 's/;compiler=gcc[0-9]*;/;compiler=gcc99;/g'
edit other-cxx11-abi 's/;cxx11_abi=1;/;cxx11_abi=0;/g'
edit other-sanitizer 's/;sanitizer=none;/;sanitizer=leak;/g; s/;sanitizer=address;/;sanitizer=threads;/g'
edit no-debug-field 's/;debug=/;gubed=/g'
edit other-everything 's/;torch=[0-9]/;torch=9/g; s/;compiler=gcc[0-9]*;/;compiler=gcc99;/g; s/;sizeof\.Module=[0-9]/;sizeof.Module=9/g'
