"""Small valid weight files for the fuzz targets of weights, in fuzz/seeds.

    python fuzz/make_seeds.py      from the repository root after `cargo build --release`; needs numpy, tensorflow,
                                   tf_keras, h5py

Made with tensorflow and tf_keras 2.21.0, h5py 3.14.0.
"""
import json
import os
import shutil
import subprocess
import sys
import zipfile

sys.path.insert(0, "fixtures/models")
import numpy as np
from keras_nets import patch, randomise, residual_top, resnet50_trunk, vgg_top, vgg_trunk, whole, yaroslav_top
from seeded import weight

SEEDS = "fuzz/seeds"


def folder(name):
    os.makedirs(f"{SEEDS}/{name}", exist_ok=True)
    return f"{SEEDS}/{name}"


def safetensors(path, shapes):
    header, data = {}, b""
    for name, shape in shapes.items():
        values = weight(name, shape).astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text + data)


def conv_norm(conv, norm, c_out, c_in, k):
    parts = {f"{norm}.{p}": [c_out] for p in ("weight", "bias", "running_mean", "running_var")}
    return {f"{conv}.weight": [c_out, c_in, k, k], **parts}


vgg = {}
for index, (c_out, c_in) in zip((0, 2, 5), ((2, 3), (2, 2), (4, 2))):
    vgg |= {f"features.{index}.weight": [c_out, c_in, 3, 3], f"features.{index}.bias": [c_out]}
resnet = conv_norm("conv1", "bn1", 4, 3, 7)
for block in range(2):
    for i in (1, 2):
        resnet |= conv_norm(f"layer1.{block}.conv{i}", f"layer1.{block}.bn{i}", 4, 4, 3)
weights = folder("weights")
safetensors(f"{weights}/vgg.safetensors", vgg)
safetensors(f"{weights}/resnet18.safetensors", {f"module.{k}": v for k, v in resnet.items()})

for name in ("vgg_zip.pth", "vgg_legacy.pth"):
    shutil.copy(f"fixtures/models/{name}", weights)
with open(f"{folder('torch_pickle')}/vgg.pkl", "wb") as f:
    f.write(zipfile.ZipFile("fixtures/models/vgg_zip.pth").read("vgg_zip/data.pkl"))

TINY = ((2, 1), (2, 1))
models = {
    "vgg_patch": patch(lambda x: vgg_trunk(x, TINY), 1),
    "vgg_image": whole(lambda x: vgg_trunk(x, TINY), 1, (32, 32), vgg_top((2,), 1)),
    "yaroslav_image": whole(lambda x: vgg_trunk(x, TINY, True), 1, (32, 32), yaroslav_top(2, 2, (2,))),
    "resnet50_image": whole(lambda x: resnet50_trunk(x, 4, 1), 1, (64, 32), residual_top([(1, 1, 1)], 1)),
}
for name, model in models.items():
    randomise(model, 1).save(f"{weights}/{name}.h5")

for name in ("vgg.safetensors", "vgg_patch.h5", "yaroslav_image.h5"):
    subprocess.run(["target/release/mammo", "model", "import", f"{weights}/{name}", "--preprocessing", "paper",
                    "--out", f"{folder('model_file')}/{name.split('.')[0]}.safetensors"], check=True)
