"""Reads a circuit file (the layout is written down at the top of crates/circuit/src/file.rs) and images, without any of the engine's code."""

import gzip
import json
import os
import struct
import time
from pathlib import Path

import numpy

MAGIC = b"CRYPTODL CIRCUIT"
PADDING = 0xFFFFFFFF


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def read(self, layout):
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values if len(values) > 1 else values[0]

    def array(self, kind, count):
        values = numpy.frombuffer(self.data, dtype=kind, count=count, offset=self.at)
        self.at += values.nbytes
        return values


def load(path):
    """The layers: ("linear", taps, bias) with taps[output] = [(input, weight), ...], or ("square",)."""
    data = Path(path).read_bytes()
    assert data.startswith(MAGIC), "not a circuit file"
    reader = Reader(data)
    reader.at = len(MAGIC)
    assert reader.read("B") == 2, "another version"
    shape = reader.read("3I")
    mean, std = (reader.array("<f4", shape[0]) for _ in range(2))
    classes, count = reader.read("2I")
    layers = []
    for _ in range(count):
        name = bytes(reader.array("u1", reader.read("B"))).decode()
        if reader.read("B") == 0:
            layers.append(_linear(reader, name))
        else:
            layers.append(_square(reader, name))
    return {"shape": shape, "mean": mean, "std": std, "classes": classes, "layers": layers}


def _linear(reader, name):
    reader.read("B")
    weight_scale, _bound = reader.read("2d")
    bias = reader.array("<f8", reader.read("I"))
    _inputs, outputs, groups = reader.read("3I")
    taps = [[] for _ in range(outputs)]
    for _ in range(groups):
        start, rows, width, positions = reader.read("4I")
        weights = reader.array("<i2", rows * width).reshape(rows, width)
        gather = reader.array("<u4", positions * width).reshape(positions, width)
        for row in range(rows):
            for position in range(positions):
                pairs = zip(gather[position], weights[row])
                taps[start + row * positions + position] += [
                    (int(feature), int(weight) / weight_scale) for feature, weight in pairs if feature != PADDING and weight != 0
                ]
    return ("linear", name, taps, bias)


def _square(reader, name):
    reader.read("d")
    reader.array("<f8", reader.read("I"))
    degree = reader.read("B")
    lower = [reader.array("<f8", reader.read("I")) for _ in range(degree)]
    assert degree == 2 and all((values == 0).all() for values in lower), f"{name} is not a pure square"
    return ("square", name)


def images(circuit, folder, count):
    """Normalised pixels of the first MNIST test images, [features, count]."""
    raw = gzip.decompress((Path(folder) / "mnist" / "t10k-images-idx3-ubyte.gz").read_bytes())
    pixels = numpy.frombuffer(raw, dtype="u1", offset=16).reshape(-1, 784)[:count].astype("f8") / 255.0
    return ((pixels - float(circuit["mean"][0])) / float(circuit["std"][0])).T


def clear(circuit, values):
    """The circuit in double precision: what every engine should come close to."""
    for layer in circuit["layers"]:
        if layer[0] == "square":
            values = values * values
        else:
            _, _, taps, bias = layer
            rows = [sum(weight * values[feature] for feature, weight in row) for row in taps]
            values = numpy.array([row + (bias[i] if len(bias) else 0.0) for i, row in enumerate(rows)])
    return values


def run(circuit, inputs, multiply, add, add_constant, square, limit):
    """The circuit with an engine's operations. Returns the outputs, the seconds it takes, and whether `limit` made some of them
    extrapolated: a linear layer of which only the first outputs were computed counts as many times as it has more terms; squares are all
    computed."""
    values, seconds, extrapolated = inputs, 0.0, False
    for layer in circuit["layers"]:
        started = time.perf_counter()
        if layer[0] == "square":
            values = [square(value) for value in values]
            seconds += time.perf_counter() - started
            continue
        _, _, taps, bias = layer
        outputs, done = [], 0
        for index, row in enumerate(taps):
            if limit and index >= limit:
                outputs.append(outputs[index % limit])
                continue
            done += len(row)
            total = None
            for feature, weight in row:
                term = multiply(values[feature], weight)
                total = term if total is None else add(total, term)
            if len(bias):
                total = add_constant(total, float(bias[index]))
            outputs.append(total)
        whole = sum(len(row) for row in taps)
        extrapolated |= done < whole
        seconds += (time.perf_counter() - started) * whole / max(done, 1)
        values = outputs
    return values, seconds, extrapolated


def report(name, seconds, slots, extrapolated, error, repetitions=1, precision="35-bit scale"):
    """One JSON line for run.sh: the median of so many evaluations. Every engine may use all processors of the machine."""
    threads = len(os.sched_getaffinity(0))
    row = {"engine": name, "seconds": seconds, "slots": slots, "threads": threads, "repetitions": repetitions, "precision": precision}
    print(json.dumps({**row, "extrapolated": extrapolated, "max_logit_error": error}), flush=True)
