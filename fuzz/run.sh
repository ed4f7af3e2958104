#!/usr/bin/env bash
# Runs fuzz targets from fresh seeds and prints executions and outcome of each. Needs a nightly
# toolchain and cargo-fuzz (cargo install cargo-fuzz).
#   fuzz/run.sh [SECONDS] [TARGET...]     default: 600 seconds each, all targets, two at a time
# FEATURES=networks builds the targets on weights and model files too, whose seeds are made by fuzz/make_seeds.py;
# SANITIZER=none leaves AddressSanitizer out, under which Burn takes long to compile.
# RSS_MIB is the memory that a run may take, 1024 by default. For the targets on DICOM (dicom, jpeg_dct, jpeg_lossless, jpegls,
# jpeg2000, rle) it is 256: the bounds of docs/dicom.md for frames of a few million pixels, and what AddressSanitizer adds.
# Inputs that crashed, hung or took more lie in fuzz/artifacts/TARGET afterwards, and
# the exit code is 1.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-600}
shift $(($# > 0))
host=$(rustc +nightly -vV | sed -n 's/^host: //p')

# With debug assertions and overflow checks, the default of cargo-fuzz.
cargo +nightly fuzz build --sanitizer "${SANITIZER:-address}" --features "${FEATURES:-}" || exit 1
rm -rf fuzz/base
# Of the whole workspace, as everywhere else: of one crate, other features would build all anew.
cargo build --release --quiet --workspace --examples && target/release/examples/fuzz_seeds fuzz || exit 1
targets=("$@")
# Targets of the networks are built with `--features networks` only; those that are there are run.
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo +nightly fuzz list | while read -r target; do
    [ -x "fuzz/target/$host/release/$target" ] && echo "$target"
done)

# The sanitizer keeps freed memory aside, 256 MiB by default: less of it, so that what is measured
# is the program's.
export ASAN_OPTIONS="quarantine_size_mb=16:allocator_release_to_os_interval_ms=500:${ASAN_OPTIONS:-}"

run() {
    local target=$1 log=fuzz/logs/$1.log code=0
    local rss=1024
    case $target in dicom | jpeg* | rle) rss=256 ;; esac
    mkdir -p fuzz/logs "fuzz/artifacts/$target" "fuzz/corpus/$target"
    "fuzz/target/$host/release/$target" "fuzz/corpus/$target" "fuzz/seeds/$target" \
        -artifact_prefix="fuzz/artifacts/$target/" -max_total_time="$seconds" -rss_limit_mb="${RSS_MIB:-$rss}" \
        -timeout=20 -print_final_stats=1 >"$log" 2>&1 &
    local pid=$!
    wait $pid || code=$?
    rm -rf "/dev/shm/mammo-fuzz-$pid" "${TMPDIR:-/tmp}/mammo-fuzz-$pid"
    local stat
    stat() { sed -n "s/^stat::$1: *//p" "$log"; }
    printf '%-14s %12s executions  %5s MiB  %s\n' "$target" "$(stat number_of_executed_units)" \
        "$(stat peak_rss_mb)" "$([ $code = 0 ] && echo passed || echo "failed, see $log")"
    return $code
}
export -f run
export seconds host
printf '%s\n' "${targets[@]}" | xargs -P "${JOBS:-2}" -I{} bash -c 'run {}'
