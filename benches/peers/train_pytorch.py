"""Training speed of a spec's network in PyTorch on the CPU: images a second, the best of f32 and bf16 autocast.

    python train_pytorch.py SPEC [--threads 2] [--steps 8]

Reads the layers and the batch from the spec (convolutions, activations, global average; a dense layer closes every network), so that both
programs train the same network. Random images, the real loop otherwise: forward, cross-entropy with label smoothing and the penalties on
what leaves the interval, backward, Muon on the convolution filters and Nesterov SGD on the rest. Tensors are channels-last and
activations are computed in f32, as PyTorch's own documentation advises. Prints one JSON object.
"""

import argparse
import json
import math
import statistics
import time
import tomllib

import torch
import torch.nn.functional as F
from torch import nn


class Hermite(nn.Module):
    """g (z / 2 + c q) + b with z the normalised input and q the normalised second Hermite polynomial of z, per channel."""

    def __init__(self, channels, limit, clamp):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.inner_norm = nn.BatchNorm2d(channels, affine=False)
        self.g = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.c = nn.Parameter(torch.full((1, channels, 1, 1), 1 / math.sqrt(4 * math.pi)))
        self.b = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.limit, self.clamp = limit, clamp
        self.penalty = torch.zeros(())

    def forward(self, x):
        z = self.norm(x.float())
        size = z.abs()
        self.penalty = (
            2 * (size - self.limit).clamp_min(0).square().mean()
            + 0.003 * (size.amax((1, 2, 3)) - 6).clamp_min(0).square().mean()
            + 0.1 * (z.square().mean((1, 2, 3)) - 1.5).clamp_min(0).square().mean()
        )
        if self.clamp:
            z = z.clamp(-self.clamp, self.clamp)
        q = self.inner_norm((z * z - 1) / math.sqrt(2))
        return self.g * (0.5 * z + self.c * q) + self.b


class Muon:
    """Momentum whose update is orthogonalised by three Newton-Schulz steps; every filter bank is kept at norm sqrt(outputs)."""

    def __init__(self, parameters, rate=0.12, momentum=0.6):
        self.parameters, self.rate, self.momentum = parameters, rate, momentum
        self.buffers = [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def step(self):
        for p, buffer in zip(self.parameters, self.buffers):
            buffer.mul_(self.momentum).add_(p.grad)
            update = (p.grad + self.momentum * buffer).reshape(len(p), -1).bfloat16()
            tall = update.shape[0] > update.shape[1]
            x = update.T if tall else update
            x = x / (x.norm() + 1e-7)
            for _ in range(3):
                a = x @ x.T
                x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
            p.mul_(math.sqrt(len(p)) / p.norm()).sub_(self.rate * (x.T if tall else x).float().reshape(p.shape))
            p.grad = None


def network(spec):
    """The network, and the multiply-accumulates of one forward pass."""
    limit, clamp = spec["activation"]["interval"][1], spec["train"].get("clamp")
    layers, channels, side, count = [], 3, 32, 0
    for layer in spec["network"]["layers"]:
        if layer["type"] == "conv":
            kernel, stride, padding = layer["kernel"], layer.get("stride", 1), layer.get("padding", 0)
            layers.append(nn.Conv2d(channels, layer["channels"], kernel, stride, padding, bias=False))
            side = (side + 2 * padding - kernel) // stride + 1
            count += channels * layer["channels"] * kernel * kernel * side * side
            channels = layer["channels"]
        elif layer["type"] == "activation":
            layers.append(Hermite(channels, limit, clamp))
        elif layer["type"] == "global-avg-pool":
            layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        else:
            raise SystemExit(f"this script knows no layer of type {layer['type']}")
    layers.append(nn.Linear(channels, 10))
    return nn.Sequential(*layers), count + 10 * channels


def images_per_second(spec, bf16, steps):
    torch.manual_seed(0)
    model, count = network(spec)
    model = model.to(memory_format=torch.channels_last)
    activations = [m for m in model if isinstance(m, Hermite)]
    filters = [m.weight for m in model if isinstance(m, nn.Conv2d)]
    rest = [p for p in model.parameters() if all(p is not f for f in filters)]
    muon, sgd = Muon(filters), torch.optim.SGD(rest, lr=0.02, momentum=0.85, nesterov=True)
    batch = spec["train"]["batch"]
    images = torch.randn(batch, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.randint(10, (batch,))
    seconds = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            logits = model(images)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=0.1) + sum(a.penalty for a in activations)
        sgd.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        muon.step()
        sgd.step()
        seconds.append(time.perf_counter() - start)
    return batch / statistics.median(seconds[2:]), count


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("spec")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--steps", type=int, default=8)
    options = options.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    with open(options.spec, "rb") as file:
        spec = tomllib.load(file)
    (f32, count), (bf16, _) = (images_per_second(spec, half, options.steps) for half in (False, True))
    print(json.dumps({"torch": torch.__version__, "macs": count, "f32": f32, "bf16": bf16}))


if __name__ == "__main__":
    main()
