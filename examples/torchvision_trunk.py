# Loads the trunk that `mammo model export MODEL --format safetensors --out trunk.safetensors` wrote into torchvision.
#     python examples/torchvision_trunk.py trunk.safetensors resnet50        (torch, torchvision, safetensors)
import sys
import torch
import torchvision
from safetensors.torch import load_file

weights = load_file(sys.argv[1])
network = getattr(torchvision.models, sys.argv[2])()
kept = {name: t for name, t in network.state_dict().items() if not name.startswith(("fc.", "classifier."))}
trunk = {name: t for name, t in weights.items() if not name.startswith("fc.")}
left = network.load_state_dict(trunk, strict=False)
missing = [name for name in left.missing_keys if name in kept and not name.endswith("num_batches_tracked")]
assert not missing and not left.unexpected_keys, (missing, left.unexpected_keys)
print(f"{len(trunk)} tensors loaded into torchvision's {sys.argv[2]}, torch {torch.__version__}")
