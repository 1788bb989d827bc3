"""From a network in PyTorch to the two files that `cryptodl run SPEC --weights FILE` takes.

The network is a `torch.nn.Sequential` of Conv2d, BatchNorm2d, BatchNorm1d, AvgPool2d, Flatten, Linear, Dropout and `Polynomial`, the
activation. docs/own-network.md describes the file of weights; it needs no library but PyTorch's own dependencies.
"""

import json
import struct

import torch
from torch import nn


class Polynomial(nn.Module):
    """An activation c[0] + c[1] x + c[2] x^2 + ..., one for all channels."""

    def __init__(self, *coefficients, trainable=False):
        super().__init__()
        self.coefficients = nn.Parameter(torch.tensor(coefficients), requires_grad=trainable)

    def forward(self, x):
        value = torch.zeros_like(x)
        for coefficient in self.coefficients.flip(0):
            value = value * x + coefficient
        return value


def one(value, what):
    """The one number of a pair of equal ones."""
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(set(pair)) != 1:
        raise ValueError(f"{what} must be the same for rows and columns, not {value}")
    return pair[0]


def layers(network, shape):
    """Each layer as (entry of the header, tensors by name, line of the spec), for images of the shape (channels, height, width)."""
    x = torch.zeros(1, *shape)
    network.eval()
    for module in network:
        if isinstance(module, nn.Conv2d):
            if module.groups != 1 or one(module.dilation, "the dilation") != 1:
                raise ValueError(f"{module}: groups and dilation have no place in a circuit")
            size = [one(v, "the " + k) for k, v in (("kernel", module.kernel_size), ("stride", module.stride), ("padding", module.padding))]
            header = dict(type="conv", in_channels=module.in_channels, out_channels=module.out_channels, kernel=size[0], stride=size[1], padding=size[2])
            line = f'type = "conv", channels = {module.out_channels}, kernel = {size[0]}, stride = {size[1]}, padding = {size[2]}'
            yield header, {"weight": module.weight, "bias": module.bias}, line
        elif isinstance(module, nn.Linear):
            header = dict(type="dense", inputs=module.in_features, outputs=module.out_features)
            yield header, {"weight": module.weight, "bias": module.bias}, f'type = "dense", units = {module.out_features}'
        elif isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
            ones = torch.ones_like(module.running_var)
            numbers = {
                "gamma": ones if module.weight is None else module.weight,
                "beta": 0 * ones if module.bias is None else module.bias,
                "mean": module.running_mean,
                "variance": module.running_var,
            }
            yield dict(type="batch-norm", epsilon=module.eps), numbers, 'type = "batch-norm"'
        elif isinstance(module, nn.AvgPool2d):
            size, stride = one(module.kernel_size, "the window"), one(module.stride, "the stride")
            if one(module.padding, "the padding") or module.ceil_mode:
                raise ValueError(f"{module}: pooling takes no padding and no ceil_mode")
            yield dict(type="avg-pool", size=size, stride=stride), {}, f'type = "avg-pool", size = {size}, stride = {stride}'
        elif isinstance(module, Polynomial):
            degree = len(module.coefficients) - 1
            yield dict(type="polynomial", degree=degree, rows=1), {"coefficients": module.coefficients[None]}, 'type = "activation"'
        elif isinstance(module, (nn.ReLU, nn.MaxPool2d)):
            raise ValueError(
                f"{module} is no polynomial: put Polynomial(0.0, 0.5, 0.25) in place of a ReLU and AvgPool2d in place of a MaxPool2d, "
                "and train on for some epochs from these weights"
            )
        elif not isinstance(module, (nn.Flatten, nn.Dropout, nn.Identity)):
            raise ValueError(f"{module} has no place in a circuit")
        x = module(x)


def unbiased(found):
    """Layers that lead into a batch norm have no bias here: the norm's mean takes it."""
    found = [(dict(header), dict(numbers), line) for header, numbers, line in found]
    for index, (header, numbers, _) in enumerate(found):
        if header["type"] not in ("conv", "dense"):
            continue
        after = [entry for entry in found[index + 1 :] if entry[0]["type"] != "avg-pool"]
        bias = numbers.pop("bias")
        into_norm = bool(after) and after[0][0]["type"] == "batch-norm"
        header["bias"] = not into_norm
        if not into_norm:
            width = header.get("out_channels", header.get("outputs"))
            numbers["bias"] = torch.zeros(width) if bias is None else bias
        elif bias is not None:
            after[0][1]["mean"] = after[0][1]["mean"] - bias
    return found


def save(network, path, shape, mean, std):
    """Writes the weights to `path` and returns the lines of the spec's sections [activation] and [network].

    Pixels enter as (byte / 255 - mean[c]) / std[c]; `shape` is (channels, height, width).
    """
    found = unbiased(layers(network, shape))
    polynomials = [numbers["coefficients"] for header, numbers, _ in found if header["type"] == "polynomial"]
    if not polynomials:
        raise ValueError("the network has no Polynomial")
    header = {
        "version": 1,
        "input": dict(zip(("channels", "height", "width"), shape)),
        "classes": found[-1][0]["outputs"],
        "layers": [entry for entry, _, _ in found],
    }
    tensors = {"input.mean": torch.tensor(mean), "input.std": torch.tensor(std)}
    for index, (_, numbers, _) in enumerate(found):
        tensors.update({f"layers.{index}.{name}": value for name, value in numbers.items()})
    write_safetensors(path, tensors, {"cryptodl": json.dumps(header)})
    coefficients = ", ".join(repr(value) for value in polynomials[0].flatten().tolist())
    lines = "".join(f"    {{ {line} }},\n" for _, _, line in found)
    # Coefficients of their own in the file count; those of the spec say the degree.
    return f'[activation]\ncoefficients = [{coefficients}]\ntrainable = "layer"\n\n[network]\nbatch_norm = false\nlayers = [\n{lines}]\n'


def write_safetensors(path, tensors, metadata):
    """The format of https://github.com/huggingface/safetensors: the length of the header, the header, the numbers."""
    header, content = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        values = tensor.detach().to(torch.float32).contiguous().cpu()
        start = len(content)
        content += values.numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [start, len(content)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + content)
