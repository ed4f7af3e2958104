#!/usr/bin/env bash
# Speed and memory of DICOM to network input: mammo against pydicom + OpenCV, on the same files in
# the same run, two threads or processes each.
#
#   bench/dicom/run.sh [ROUNDS]        3 rounds by default; medians are printed
#
# Makes a virtual environment with the peers from PyPI on the first run ($PEERS, by default
# bench/dicom/.peers), and eight mammograms of 4096x3328 pixels with 12 bits in lossless JPEG.
# THREADS is 2 by default. bench/results/ keeps those that count.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-3}
threads=${THREADS:-2}
peers=${PEERS:-bench/dicom/.peers}
images=${IMAGES:-target/bench-dicom}
if [ ! -x "$peers/bin/python" ]; then
  python3 -m venv "$peers"
  "$peers/bin/pip" install --quiet -r bench/dicom/requirements.txt
fi
[ -e "$images/bench_7.dcm" ] || "$peers/bin/python" bench/dicom/make_images.py "$images" 8
cargo build --release --quiet --workspace --example dicom_speed
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
for round in $(seq "$rounds"); do
  for work in decode prepare; do
    echo "round $round of $rounds: $work" >&2
    echo "mammo $work $(RAYON_NUM_THREADS=$threads target/release/examples/dicom_speed "$images" $work)" >>"$lines"
    echo "peer $work $("$peers/bin/python" bench/dicom/peer.py "$images" $work "$threads")" >>"$lines"
  done
done
"$peers/bin/python" bench/dicom/table.py "$lines"
