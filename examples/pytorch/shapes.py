"""Trains a small network with squares in PyTorch on images of one's own and writes everything that cryptodl needs.

    python shapes.py FOLDER

leaves shapes.npz (the images), model.safetensors (the weights), model.toml (the spec) and logits.npy (PyTorch's logits of the test images, in
the order of the .npz) in FOLDER.
"""

import pathlib
import sys

import numpy as np
import torch
from torch import nn

from cryptodl_torch import Polynomial, save

SHAPE = (1, 16, 16)


def draw(kind, rng):
    """A circle, a square or a plus in noise."""
    y, x = np.mgrid[0:16, 0:16]
    y, x, r = y - rng.uniform(5, 11), x - rng.uniform(5, 11), rng.uniform(3, 5)
    ink = [
        abs(np.hypot(y, x) - r) < 1,
        abs(np.maximum(abs(y), abs(x)) - r) < 1,
        ((abs(y) < 1) & (abs(x) < r)) | ((abs(x) < 1) & (abs(y) < r)),
    ][kind]
    return np.clip(ink * rng.uniform(120, 220) + rng.normal(20, 15, (16, 16)), 0, 255).astype(np.uint8)


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    torch.set_num_threads(1)
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 3, 2400)
    images = np.stack([draw(kind, rng) for kind in labels])
    train, test = slice(0, 2000), slice(2000, 2400)
    np.savez(folder / "shapes.npz", x_train=images[train], y_train=labels[train], x_test=images[test], y_test=labels[test], class_names=["circle", "square", "plus"])

    # The mean and the deviation that the program finds as well: of the training images.
    mean, std = float(images[train].mean() / 255), float(images[train].std() / 255)
    x = torch.tensor((images[:, None] / 255 - mean) / std, dtype=torch.float32)
    y = torch.tensor(labels)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2, padding=2),
        nn.BatchNorm2d(8),
        Polynomial(0.0, 0.5, 0.25),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, 32),
        nn.BatchNorm1d(32),
        Polynomial(0.0, 0.5, 0.25),
        nn.Linear(32, 3),
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for epoch in range(8):
        network.train()
        for batch in torch.randperm(2000).split(64):
            loss = nn.functional.cross_entropy(network(x[train][batch]), y[train][batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        logits = network(x[test])
    print(f"PyTorch: {(logits.argmax(1) == y[test]).float().mean():.4f} of 400 test images")
    np.save(folder / "logits.npy", logits.numpy())

    network_lines = save(network, folder / "model.safetensors", SHAPE, [mean], [std])
    (folder / "model.toml").write_text(f'name = "shapes"\n\n[dataset]\npath = "{folder / "shapes.npz"}"\n\n{network_lines}')


if __name__ == "__main__":
    main(sys.argv[1])
