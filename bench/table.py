"""Medians over rounds as a Markdown table, with ours / peer."""
import json, os, platform, statistics, sys
from collections import defaultdict

rows = defaultdict(list)
for line in open(sys.argv[1]):
    row = json.loads(line)
    rows[row["kind"], row["network"], row["who"]].append(row)
seconds = {key: statistics.median(r["seconds"] for r in all) for key, all in rows.items()}
memory = {key: max(r["peak_mib"] for r in all) for key, all in rows.items()}
model = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.processor())
versions = []
for name in ["torch", "onnxruntime"]:
    versions.append(f"{name} {__import__(name).__version__}")
print(f"{model}, {os.environ.get('THREADS', '2')} threads; {', '.join(versions)}; {len(next(iter(rows.values())))} rounds\n")
work = {"predict": "predict 1x3x1152x896", "train": "train step 8x3x224x224"}
ours = [p for p in ["bf16", "f32"] if any(who == f"mammo-{p}" for _, _, who in seconds)]
print("| work | who | seconds | peak MiB |" + "".join(f" {p} ours / this |" for p in ours))
print("|---|---|---|---|" + "---|" * len(ours))
for (kind, network, who), s in sorted(seconds.items()):
    ratios = "".join(f" {seconds[kind, network, 'mammo-' + p] / s:.2f} |" for p in ours)
    print(f"| {network}, {work[kind]} | {who} | {s:.3f} | {memory[kind, network, who]} |{ratios}")
