"""Times PyTorch and ONNX Runtime on the work that our examples do; one line of JSON per figure.

    peers.py predict|train resnet50|vgg16 torch-f32|torch-bf16|ort-f32 REPEATS

Random weights, inference with batch norm in evaluation mode as each library's users run it: PyTorch
channels last with oneDNN under `inference_mode`; ONNX Runtime with all graph optimisations.
A training step is forward, cross-entropy and backward in training mode, without the optimiser.
"""
import json, os, resource, statistics, sys, time

import torch, torchvision

kind, network, peer, repeats = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
threads = int(os.environ.get("THREADS", "2"))
torch.set_num_threads(threads)
torch.manual_seed(0)
if network == "resnet50":
    model = torchvision.models.resnet50(num_classes=5)
else:
    # The trunk, mean over space and a linear layer, as the paper uses VGG16.
    trunk = torchvision.models.vgg16().features
    model = torch.nn.Sequential(trunk, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(512, 5))


def time_of(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if kind == "train":
    model = model.train().to(memory_format=torch.channels_last)
    x = torch.randn(8, 3, 224, 224).to(memory_format=torch.channels_last)
    y = torch.arange(8) % 5

    def run():
        model.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=peer == "torch-bf16"):
            loss = torch.nn.functional.cross_entropy(model(x).float(), y)
        loss.backward()
elif peer.startswith("torch"):
    model = model.eval().to(memory_format=torch.channels_last)
    x = torch.randn(1, 3, 1152, 896).to(memory_format=torch.channels_last)

    def run():
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=peer == "torch-bf16"):
            model(x)
else:
    import onnxruntime

    path = f"/tmp/mammo-bench-{network}.onnx"
    if not os.path.exists(path):
        torch.onnx.export(model.eval(), torch.randn(1, 3, 1152, 896), path, opset_version=17, dynamo=False)
    del model
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    x = {session.get_inputs()[0].name: torch.randn(1, 3, 1152, 896).numpy()}

    def run():
        session.run(None, x)


for _ in range(2):
    run()
seconds = sorted(time_of(run) for _ in range(repeats))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"kind": kind, "network": network, "who": peer, "seconds": statistics.median(seconds),
                  "least": seconds[0], "peak_mib": round(peak)}))
