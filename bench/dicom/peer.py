"""pydicom + OpenCV doing the steps of `mammo preprocess`: decode, VOI, find the breast, crop,
resize with area averaging to 1152x896, black outside, window by percentiles.

Run: python bench/dicom/peer.py FOLDER decode|prepare [PROCESSES]

Prints images per second, each file twice, and the peak memory of all processes in MiB. Simpler than mammo in one
respect: no film edges are looked for.
"""

import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom.pixels import apply_voi_lut


def decoded(path: Path) -> int:
    return int(pydicom.dcmread(path).pixel_array[0, 0])


def prepare(path: Path) -> np.ndarray:
    ds = pydicom.dcmread(path)
    image = apply_voi_lut(ds.pixel_array, ds)
    image = (image * (65535 / 4095)).astype(np.uint16)
    scale = max(image.shape) / 256
    small = cv2.resize(image, (round(image.shape[1] / scale), round(image.shape[0] / scale)), interpolation=cv2.INTER_AREA)
    levels = (255 * np.sqrt(small / max(small.max(), 1))).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    background = levels[levels <= threshold].mean()
    mask = (levels > background + 0.4 * (threshold - background)).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, disc)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    mask = (labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    mask = cv2.dilate(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, disc), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13)))
    x, y, w, h = (int(v * scale) for v in cv2.boundingRect(mask))
    crop = image[y : y + h, x : x + w]
    factor = min(896 / crop.shape[1], 1152 / crop.shape[0])
    size = (round(crop.shape[1] * factor), round(crop.shape[0] * factor))
    fitted = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    whole = cv2.resize(mask, (image.shape[1] // 4, image.shape[0] // 4), interpolation=cv2.INTER_LINEAR)
    inside = cv2.resize(whole[y // 4 : (y + h) // 4, x // 4 : (x + w) // 4], size, interpolation=cv2.INTER_NEAREST) > 0
    fitted[~inside] = 0
    low, high = np.percentile(fitted[inside], [0.5, 99.9])
    fitted = np.clip((fitted.astype(np.float32) - low) * (65535 / (high - low)), 0, 65535).astype(np.uint16)
    out = np.zeros((1152, 896), np.uint16)
    top = (1152 - fitted.shape[0]) // 2
    out[top : top + fitted.shape[0], : fitted.shape[1]] = fitted
    return out[::288, ::224]


def memory_mib(_: int) -> int:
    time.sleep(0.2)  # so that every process answers once
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    cv2.setNumThreads(1)
    files = sorted(Path(sys.argv[1]).glob("*.dcm"))
    work = {"decode": decoded, "prepare": prepare}[sys.argv[2]]
    processes = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(work, files[:processes]))
        started = time.perf_counter()
        list(pool.map(work, files * 2))
        rate = 2 * len(files) / (time.perf_counter() - started)
        print(f"{rate:.3f} {sum(pool.map(memory_mib, range(processes)))}")
