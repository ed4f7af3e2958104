"""Loss in f32 and in bf16, step by step: a table and a picture of two runs of `mammo train patch`.

    python3 bench/loss_curves.py F32/metrics.csv BF16/metrics.csv STEPS_PER_EPOCH TABLE.csv PICTURE.svg

Prints how far the curves lie apart. Standard library only.
"""

import csv
import sys

LEFT, RIGHT, TOP, BOTTOM = 52.0, 490.0, 16.0, 224.0
CURVES = [  # column, run, colour, dashes
    ("train_loss", 0, "#0b5fa5", ""),
    ("train_loss", 1, "#0b5fa5", ' stroke-dasharray="4 3"'),
    ("validation_loss", 0, "#b3541e", ""),
    ("validation_loss", 1, "#b3541e", ' stroke-dasharray="4 3"'),
]


def main(f32, bf16, per_epoch, table, picture):
    runs = [list(csv.DictReader(open(path))) for path in (f32, bf16)]
    steps = [(i + 1) * int(per_epoch) for i in range(len(runs[0]))]
    values = [[float(row[column]) for row in runs[run]] for column, run, *_ in CURVES]
    with open(table, "w") as out:
        out.write("step,f32_train_loss,bf16_train_loss,f32_validation_loss,bf16_validation_loss\n")
        for i, step in enumerate(steps):
            out.write(",".join([str(step)] + [f"{curve[i]:.6f}" for curve in values]) + "\n")
    for name, ours, theirs in (("training", values[1], values[0]), ("validation", values[3], values[2])):
        apart = [a - b for a, b in zip(ours, theirs)]
        moves = [abs(b - a) for a, b in zip(theirs, theirs[1:])]
        print(f"{name}: apart by {mean(map(abs, apart)):.4f} on average, {max(map(abs, apart)):.4f} at most; "
              f"bf16 - f32 {mean(apart):+.4f}; from one point to the next f32 moves by {mean(moves):.4f}")
    with open(picture, "w") as out:
        out.write(draw(steps, values))


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers)


def draw(steps, values):
    low = int(min(map(min, values)) * 20) / 20
    high = -int(-max(map(max, values)) * 20 - 1) / 20
    x = lambda step: LEFT + (RIGHT - LEFT) * step / steps[-1]
    y = lambda loss: BOTTOM - (BOTTOM - TOP) * (loss - low) / (high - low)
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 260" font-family="sans-serif" font-size="12" '
        f'role="img" aria-label="Loss over {steps[-1]} steps in f32 and bf16">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for i in range(round((high - low) * 20) + 1):
        at = low + i / 20
        lines.append(f'<path d="M{LEFT:.0f} {y(at):.1f}H{RIGHT:.0f}" stroke="#ddd"/>'
                     f'<text x="46" y="{y(at) + 4:.1f}" text-anchor="end" fill="#444">{at:.2f}</text>')
    for i in range(5):
        step = steps[-1] * i // 4
        lines.append(f'<text x="{x(step):.1f}" y="242" text-anchor="middle" fill="#444">{step}</text>')
    lines.append(f'<text x="{(LEFT + RIGHT) / 2:.1f}" y="256" text-anchor="middle" fill="#444">step</text>')
    for i, ((column, run, colour, dashes), curve) in enumerate(zip(CURVES, values)):
        points = " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in zip(steps, curve))
        name = ("training" if column == "train_loss" else "validation") + (", bf16" if run else ", f32")
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"{dashes}/>')
        lines.append(f'<path d="M504 {26 + 18 * i}h24" stroke="{colour}" stroke-width="1.6"{dashes}/>'
                     f'<text x="534" y="{30 + 18 * i}" fill="#222">{name}</text>')
    return "\n".join(lines + ["</svg>", ""])


main(*sys.argv[1:])
