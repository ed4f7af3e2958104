#!/usr/bin/env bash
# Times prediction and training steps beside PyTorch and ONNX Runtime, in turn, in one run.
#
#   bench/compare.sh [ROUNDS]        3 rounds by default; medians of 7 runs in each
#
# Makes a virtual environment with the peers from PyPI on the first run ($PEERS, by default
# bench/.peers). THREADS is 2 by default; PRECISIONS is "bf16 f32", and "f32" alone is the sensible choice on a
# processor without bf16 instructions. Prints a table; bench/results/ keeps those that count.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-3}
precisions=${PRECISIONS:-bf16 f32}
export THREADS=${THREADS:-2}
export RAYON_NUM_THREADS=$THREADS
peers=${PEERS:-bench/.peers}
if [ ! -x "$peers/bin/python" ]; then
  python3 -m venv "$peers"
  "$peers/bin/pip" install --quiet -r bench/requirements.txt
fi
cargo build --release --quiet --workspace --examples
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
ours() { # kind network precision program
  /usr/bin/env time -f '%M' -o "$lines.kib" "target/release/examples/$4" "$2" "$3" 7 2>/dev/null >"$lines.out"
  printf '{"kind":"%s","network":"%s","who":"mammo-%s","seconds":%s,"peak_mib":%d}\n' "$1" "$2" "$3" \
    "$(sed -E 's/.*median ([0-9.]+) s.*/\1/' "$lines.out")" "$(($(cat "$lines.kib") / 1024))" >>"$lines"
}
for round in $(seq "$rounds"); do
  for network in resnet50 vgg16; do
    echo "round $round of $rounds: $network" >&2
    for precision in $precisions; do
      ours predict $network $precision predict_speed
      "$peers/bin/python" bench/peers.py predict $network torch-$precision 7 2>/dev/null >>"$lines"
    done
    "$peers/bin/python" bench/peers.py predict $network ort-f32 7 2>/dev/null >>"$lines"
    for precision in $precisions; do
      ours train $network $precision train_step
      "$peers/bin/python" bench/peers.py train $network torch-$precision 7 2>/dev/null >>"$lines"
    done
  done
done
"$peers/bin/python" bench/table.py "$lines"
