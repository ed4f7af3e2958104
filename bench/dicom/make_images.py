"""Writes full-size mammograms as DICOM: 4096x3328, 12 bits stored, lossless JPEG (process 14, SV1).

Run: python bench/dicom/make_images.py FOLDER [COUNT]

A half ellipse of tissue with fine structure and noise on a dark background; about 10 MB each,
like the real thing. GDCM codes, pydicom writes.
"""

import sys
from pathlib import Path

import gdcm
import numpy as np
import pydicom
import pydicom.uid as uid
from pydicom.dataset import FileDataset, FileMetaDataset

ROWS, COLUMNS = 4096, 3328


def tissue(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
    distance = (x / (2400 + 40 * seed)) ** 2 + ((y - 2048) / 1750) ** 2
    body = np.clip(1 - distance, 0, 1) ** 0.4 * 1900
    for step, weight in [(256, 420), (64, 200), (16, 90), (4, 45)]:
        grid = rng.normal(0, 1, (ROWS // step + 2, COLUMNS // step + 2)).astype(np.float32)
        body += np.where(distance < 1, np.kron(grid, np.ones((step, step), np.float32))[:ROWS, :COLUMNS] * weight, 0)
    body += rng.normal(0, 1, body.shape).astype(np.float32) * np.where(distance < 1, 18, 5)
    return np.clip(np.where(distance < 1, body + 900, body + 40), 0, 4095).astype(np.uint16)


def write(path: Path, pixels: np.ndarray) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = uid.DigitalMammographyXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = uid.generate_uid()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.PatientID, ds.Modality, ds.PresentationIntentType = "BENCH", "MG", "FOR PRESENTATION"
    ds.ImageLaterality, ds.ViewPosition = "L", "CC"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.WindowCenter, ds.WindowWidth = "2048", "4096"
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"
    ds.save_as(path, enforce_file_format=True)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


if __name__ == "__main__":
    folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        write(folder / f"bench_{seed}.dcm", tissue(seed))
