#!/usr/bin/env bash
# Lists what the functions compiled for an instruction set call: `bench/calls.sh [PROGRAM]`.
#
# Kernels are plain Rust that is inlined into a function with the instructions. What stays a call is compiled
# without them, and runs on 128-bit vectors through memory: nobody notices but the clock. Copies and fills of
# a length known at run time (memcpy, memset) are as they should be; anything else is to be looked at.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:-target/release/examples/layers}
[ -e "$program" ] || cargo build --release --quiet --workspace --examples
objdump --disassemble --no-show-raw-insn --demangle "$program" |
  awk '/^[0-9a-f]+ <.*>:$/ { name = $0; sub(/^[0-9a-f]+ </, "", name); sub(/>:$/, "", name)
                             inside = name ~ /isa::run_avx|micro::avx|tiles_of_panel/ }
       inside && /call.*</ { sub(/^[^<]*</, ""); sub(/(\+0x[0-9a-f]+)?>.*/, ""); print name " -> " $0 }' |
  grep -vE 'panic|_fail|_DYNAMIC|Unwind' | sort | uniq -c | sort -rn
