"""The circuit on OpenFHE: one ciphertext a feature, one image a slot, one rescale a layer."""

import sys

import numpy
import openfhe

import circuit as circuits

folder, data, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
circuit = circuits.load(folder)
parameters = openfhe.CCParamsCKKSRNS()
parameters.SetSecretKeyDist(openfhe.UNIFORM_TERNARY)
parameters.SetSecurityLevel(openfhe.HEStd_128_classic)
parameters.SetScalingTechnique(openfhe.FIXEDMANUAL)
# A product with a plaintext and a square each take a level.
parameters.SetMultiplicativeDepth(len(circuit["layers"]))
parameters.SetScalingModSize(35)
parameters.SetFirstModSize(50)
parameters.SetRingDim(16384)
context = openfhe.GenCryptoContext(parameters)
for feature in (openfhe.PKE, openfhe.KEYSWITCH, openfhe.LEVELEDSHE):
    context.Enable(feature)
keys = context.KeyGen()
context.EvalMultKeyGen(keys.secretKey)
slots = context.GetRingDimension() // 2
pixels = circuits.images(circuit, data, slots)
inputs = [context.Encrypt(keys.publicKey, context.MakeCKKSPackedPlaintext(row.tolist())) for row in pixels]


def square(value):
    return context.Rescale(context.EvalSquare(value))


def add(total, term):
    context.EvalAddInPlace(total, term)
    return total


def add_constant(total, constant):
    # The sum of a layer's products is rescaled once, here.
    return context.EvalAdd(context.Rescale(total), constant)


outputs, seconds, extrapolated = circuits.run(
    circuit, inputs, multiply=lambda value, weight: context.EvalMult(value, weight), add=add, add_constant=add_constant, square=square, limit=limit
)

error = None
if not limit:
    logits = []
    for output in outputs:
        plain = context.Decrypt(output, keys.secretKey)
        plain.SetLength(slots)
        logits.append(plain.GetRealPackedValue())
    error = float(abs(numpy.array(logits) - circuits.clear(circuit, pixels)).max())
circuits.report("OpenFHE", seconds, slots, extrapolated, error)
