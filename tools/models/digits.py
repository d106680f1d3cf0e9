#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Train and export the handwritten-digits model of the demo.

Writes three files into --out (default: tests/data of this repository):

  digits.onnx        float MLP 64 -> 256 -> 128 -> 10, input `input` [batch, 64], output `logits`
  digits-calib.npz   `input` [200, 64] float32, drawn from the training samples (stored)
  digits-test.npz    `input` [597, 64] float32 and `label` [597] int64, held out (deflated)

Pixels are 0..16 in the source and pixel / 16 in the files, which is what the model expects.

Needs the PyPI packages scikit-learn (for the data set alone), numpy and onnx:

  python3 -m venv build/venv && build/venv/bin/pip install scikit-learn numpy onnx
  build/venv/bin/python tools/models/digits.py

The committed files came from scikit-learn 1.9.1, numpy 2.4.6 and onnx 1.23.2. Two runs on one machine give
identical bytes. Another BLAS or libm may sum in another order: training runs in float64 to keep that drift
small, but the last bits of some weights may then differ, and with them the file.

Before anything is written, the exported graph is run by onnx's own reference evaluator, and an int8 version
of it (u8 asymmetric activations, s8 symmetric weights) is run in integer arithmetic; the script fails if the
float model is below 97 % on the held-out samples or if int8 loses more than half a point.
"""

import argparse
import os
import pathlib
import sys

# Threaded BLAS splits sums by the number of cores. Must be set before numpy loads the library.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from sklearn.datasets import load_digits

SIZES = (64, 256, 128, 10)
HELD_OUT = 597
CALIBRATION = 200
SPLIT_SEED = 1
TRAIN_SEED = 2

EPOCHS = 150
BATCH = 50
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-2  # also keeps weight rows free of outliers, which would waste int8 codes
PIXEL_NOISE = 0.1
MAX_SHIFT = 0.5  # pixels; digits fill the 8x8 box, a whole pixel would cut them

MIN_ACCURACY = 97.0
MAX_LOSS = 0.5

LICENCE = (
    "Trained on Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak (1998), "
    "UCI Machine Learning Repository, doi:10.24432/C50P49, CC BY 4.0."
)


def split_data():
    """The samples as (train_x, train_y, calib_x, test_x, test_y), pixels scaled to [0, 1]."""
    digits = load_digits()
    x = digits.data / 16.0
    y = digits.target.astype(np.int64)
    # RandomState's stream is frozen by numpy's policy; Generator's is not.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(x))
    test, train = order[:HELD_OUT], order[HELD_OUT:]
    return x[train], y[train], x[train[:CALIBRATION]], x[test], y[test]


def shift_images(x, rng):
    """Each image moved by a random fraction of a pixel, bilinearly, zeros entering at the border."""
    images = np.pad(x.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    for axis in (1, 2):
        amount = rng.uniform(-MAX_SHIFT, MAX_SHIFT, size=(len(x), 1, 1))
        neighbour = np.where(amount > 0, np.roll(images, 1, axis), np.roll(images, -1, axis))
        images = images + np.abs(amount) * (neighbour - images)
    return images[:, 1:9, 1:9].reshape(-1, 64)


def forward(x, weights, biases):
    """Activations of every layer, the input first and the logits last."""
    layers = [x]
    for i, (w, b) in enumerate(zip(weights, biases)):
        z = layers[-1] @ w + b
        layers.append(z if i == len(weights) - 1 else np.maximum(z, 0.0))
    return layers


def gradients(layers, weights, labels):
    """Gradients of the mean cross-entropy of softmax(logits), by weight and by bias."""
    logits = layers[-1]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1.0
    delta = p / len(labels)
    weight_grads, bias_grads = [], []
    for i in reversed(range(len(weights))):
        weight_grads.insert(0, layers[i].T @ delta)
        bias_grads.insert(0, delta.sum(axis=0))
        if i:
            delta = (delta @ weights[i].T) * (layers[i] > 0)
    return weight_grads, bias_grads


def train(x, y):
    """AdamW with a cosine schedule, in float64; returns float32 weights [in, out] and biases."""
    rng = np.random.RandomState(TRAIN_SEED)
    weights = [rng.normal(0.0, np.sqrt(2.0 / n), (n, m)) for n, m in zip(SIZES, SIZES[1:])]
    biases = [np.zeros(m) for m in SIZES[1:]]
    params = weights + biases
    decay = [WEIGHT_DECAY] * len(weights) + [0.0] * len(biases)
    mean = [np.zeros_like(p) for p in params]
    square = [np.zeros_like(p) for p in params]
    total, step = EPOCHS * (len(x) // BATCH), 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            pick = order[start : start + BATCH]
            images = shift_images(x[pick], rng) + rng.normal(0.0, PIXEL_NOISE, (BATCH, 64))
            weight_grads, bias_grads = gradients(forward(images, weights, biases), weights, y[pick])
            rate = LEARNING_RATE * 0.5 * (1.0 + np.cos(np.pi * step / total))
            step += 1
            for p, g, m, s, d in zip(params, weight_grads + bias_grads, mean, square, decay):
                m += 0.1 * (g - m)
                s += 0.001 * (g * g - s)
                p -= rate * (m / (1 - 0.9**step) / (np.sqrt(s / (1 - 0.999**step)) + 1e-8) + d * p)
    return [w.astype(np.float32) for w in weights], [b.astype(np.float32) for b in biases]


def export(weights, biases):
    """The model as exporters write it: Gemm with and without transB, and MatMul + Add."""
    constants = {
        "fc1.weight": np.ascontiguousarray(weights[0].T),
        "fc1.bias": biases[0],
        "fc2.weight": weights[1],
        "fc2.bias": biases[1],
        "out.weight": weights[2],
        "out.bias": biases[2],
    }
    nodes = [
        helper.make_node("Gemm", ["input", "fc1.weight", "fc1.bias"], ["fc1"], "fc1", transB=1),
        helper.make_node("Relu", ["fc1"], ["relu1"], "relu1"),
        helper.make_node("Gemm", ["relu1", "fc2.weight", "fc2.bias"], ["fc2"], "fc2"),
        helper.make_node("Relu", ["fc2"], ["relu2"], "relu2"),
        helper.make_node("MatMul", ["relu2", "out.weight"], ["out"], "out"),
        helper.make_node("Add", ["out", "out.bias"], ["logits"], "out_bias"),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", SIZES[0]])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", SIZES[-1]])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    # IR 8 and opset 17 are what the onnx.proto of ONNX 1.12 describes.
    model = helper.make_model(
        graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)], producer_name="digits.py"
    )
    model.doc_string = LICENCE
    onnx.checker.check_model(model, full_check=True)
    return model


def activation_params(values):
    """Asymmetric u8 scale and zero-point of the range of `values`, zero included."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = np.float32((high - low) / 255.0)
    return scale, int(np.clip(np.rint(-low / scale), 0, 255))


def quantize(values, scale, zero_point):
    return np.clip(np.rint(values / scale) + zero_point, 0, 255).astype(np.int64)


def int8_logits(x, calib, weights, biases, per_channel):
    """What an int8 engine computes: u8 codes in, exact integer sums, logits dequantized from the sum."""
    params = [activation_params(a) for a in forward(calib, weights, biases)[:-1]]
    values = x
    for i, (w, b) in enumerate(zip(weights, biases)):
        scale, zero_point = params[i]
        peak = np.abs(w).max(axis=0) if per_channel else np.abs(w).max()
        w_scale = (peak / np.float32(127.0)).astype(np.float32)
        w_codes = np.clip(np.rint(w / w_scale), -127, 127).astype(np.int64)
        b_codes = np.rint(b / (scale * w_scale)).astype(np.int64)
        sums = (quantize(values, scale, zero_point) - zero_point) @ w_codes + b_codes
        if np.abs(sums).max() > np.iinfo(np.int32).max:
            sys.exit("digits.py: an accumulator overflows int32")
        values = sums.astype(np.float32) * (scale * w_scale)
        if i < len(weights) - 1:
            values = np.maximum(values, np.float32(0.0))
    return values


def accuracy(logits, labels):
    return 100.0 * float(np.mean(logits.argmax(axis=1) == labels))


def check(model, weights, biases, calib, x, y):
    """Prints what the exported model and its int8 version reach; exits if either is too low."""
    logits = ReferenceEvaluator(model).run(["logits"], {"input": x})[0]
    top = np.sort(logits, axis=1)
    reached = accuracy(logits, y)
    print(f"float accuracy: {reached:.2f}% ({int(np.sum(logits.argmax(axis=1) == y))} of {len(y)})")
    print(f"smallest gap between the two best logits: {float((top[:, -1] - top[:, -2]).min()):.4f}")
    failed = reached < MIN_ACCURACY
    for name, per_channel in (("per channel", True), ("per tensor", False)):
        quantized = int8_logits(x, calib, weights, biases, per_channel)
        agree = 100.0 * float(np.mean(quantized.argmax(axis=1) == logits.argmax(axis=1)))
        sqnr = 10.0 * np.log10(float(np.sum(logits**2.0) / np.sum((logits - quantized) ** 2.0)))
        print(f"int8 {name}: {accuracy(quantized, y):.2f}%, agrees {agree:.2f}%, logits SQNR {sqnr:.1f} dB")
        failed = failed or reached - accuracy(quantized, y) > MAX_LOSS
    if failed:
        sys.exit("digits.py: accuracy is below what the demo promises; nothing was written")


def main():
    data = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data"
    parser = argparse.ArgumentParser(description="train and export the handwritten-digits model")
    parser.add_argument("--out", type=pathlib.Path, default=data, help="folder to write to (default: tests/data)")
    out = parser.parse_args().out

    train_x, train_y, calib, test_x, test_y = split_data()
    weights, biases = train(train_x, train_y)
    model = export(weights, biases)
    # k/16 is exact in float32, so the files hold the very samples used here.
    calib, test_x = calib.astype(np.float32), test_x.astype(np.float32)
    check(model, weights, biases, calib, test_x, test_y)

    out.mkdir(parents=True, exist_ok=True)
    (out / "digits.onnx").write_bytes(model.SerializeToString(deterministic=True))
    # One archive stored and one deflated, so that reading the data covers both.
    np.savez(out / "digits-calib.npz", input=calib)
    np.savez_compressed(out / "digits-test.npz", input=test_x, label=test_y)
    for name in ("digits.onnx", "digits-calib.npz", "digits-test.npz"):
        print(f"{name}: {(out / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
