"""Medians and ratios of `bench/dicom/run.sh`: lines of who, work, images per second, peak MiB."""

import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

runs = defaultdict(list)
for line in Path(sys.argv[1]).read_text().splitlines():
    who, work, rate, mib = line.split()
    runs[who, work].append((float(rate), int(mib)))
rate = {key: median(r for r, _ in values) for key, values in runs.items()}
print("| work | mammo images/s | peak MiB | pydicom + OpenCV images/s | peak MiB, all processes | mammo / peer |")
print("|---|---|---|---|---|---|")
for work, words in [("decode", "decoding alone"), ("prepare", "DICOM to network input")]:
    mib = {who: max(m for _, m in runs[who, work]) for who in ("mammo", "peer")}
    print(
        f"| {words} | {rate['mammo', work]:.2f} | {mib['mammo']} | {rate['peer', work]:.2f} | {mib['peer']} "
        f"| {rate['mammo', work] / rate['peer', work]:.1f} |"
    )
print(f"\nAll steps take {rate['mammo', 'decode'] / rate['mammo', 'prepare']:.2f} times what decoding alone takes (mammo), "
      f"{rate['peer', 'decode'] / rate['peer', 'prepare']:.2f} times (pydicom + OpenCV).")
