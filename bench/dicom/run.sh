#!/usr/bin/env bash
# Speed of DICOM to network input: mammo against pydicom + OpenCV, on the same files in the
# same run, two threads or processes each. Needs a Python with pydicom, python-gdcm,
# pylibjpeg-libjpeg and opencv-python-headless.
#   bench/dicom/run.sh [PYTHON] [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${1:-python3}
folder=${2:-target/bench-dicom}
[ -e "$folder/bench_0.dcm" ] || "$python" bench/dicom/make_images.py "$folder" 8
cargo build --release -p mammo --example dicom_speed
for run in 1 2 3; do
    echo "run $run"
    RAYON_NUM_THREADS=2 target/release/examples/dicom_speed "$folder"
    "$python" bench/dicom/peer.py "$folder" 2
done
