"""The circuit on TenSEAL: one CKKSVector a feature, one image a slot, rescaling left to the library."""

import sys

import numpy
import tenseal

import circuit as circuits

folder, data, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
circuit = circuits.load(folder)
squares = sum(layer[0] == "square" for layer in circuit["layers"])
linear = len(circuit["layers"]) - squares
# SEAL rescales after every product with a plaintext too: one prime a linear layer, one a square, a larger one at either end. SEAL itself
# refuses what is not 128-bit secure at this ring degree.
degree, bits = 16384, [50] + [35] * (linear + squares) + [50]
context = tenseal.context(tenseal.SCHEME_TYPE.CKKS, degree, coeff_mod_bit_sizes=bits)
context.global_scale = 2**35
slots = degree // 2
pixels = circuits.images(circuit, data, slots)
inputs = [tenseal.ckks_vector(context, row.tolist()) for row in pixels]

outputs, seconds, extrapolated = circuits.run(
    circuit,
    inputs,
    multiply=lambda value, weight: value * weight,
    add=lambda a, b: a.add_(b),
    add_constant=lambda value, constant: value + constant,
    square=lambda value: value.square(),
    limit=limit,
)

error = None
if not limit:
    logits = numpy.array([output.decrypt() for output in outputs])
    error = float(abs(logits - circuits.clear(circuit, pixels)).max())
circuits.report("TenSEAL (SEAL)", seconds, slots, extrapolated, error)
