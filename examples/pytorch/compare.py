"""Compares the run of a network with PyTorch's logits: `python compare.py FOLDER RUN`. Exit code 1 where they differ."""

import pathlib
import sys

import numpy as np
import pandas as pd

folder, run = map(pathlib.Path, sys.argv[1:])
wanted = np.load(folder / "logits.npy")
order = pd.read_csv(run / "images.csv")["image"].to_numpy()
table = pd.read_parquet(run / "predictions.parquet")
found = np.stack(table["polynomial_logits"].to_numpy())
error = np.abs(found - wanted[order]).max()
same = (table["encrypted"] == table["circuit"]).sum()
print(f"largest difference of a logit from PyTorch's: {error:.2e}")
print(f"encrypted labels like the circuit's: {same} of {len(table)}; like PyTorch's: {(table['encrypted'] == wanted[order].argmax(1)).sum()}")
sys.exit(int(error > 1e-4 or same < len(table)))
