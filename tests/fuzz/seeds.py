"""Writes the binary corpora beside it: seeds.py. Small models and files that between them touch every rule."""
import os
import struct
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(here))
from formats import *


def put(folder, name, data):
    os.makedirs(os.path.join(here, "corpus", folder), exist_ok=True)
    with open(os.path.join(here, "corpus", folder, name), "wb") as f:
        f.write(data.encode() if isinstance(data, str) else data)


X = [value_info("x", FLOAT, ["batch", 4])]


def elementwise():
    nodes, last = [], "x"
    for i, op in enumerate(["Relu", "Sigmoid", "Tanh", "Identity", "Softmax"]):
        nodes.append(node(op, [last], ["u%d" % i], op))
        last = "u%d" % i
    for i, op in enumerate(["Add", "Sub", "Mul", "Div"]):
        nodes.append(node(op, [last, "c"], ["b%d" % i], op))
        last = "b%d" % i
    return model(graph(nodes, X, [value_info(last, FLOAT, ["batch", 4])], [tensor("c", FLOAT, [4], [1, 2, 3, 4])]))


def layers():
    w = tensor("w", FLOAT, [3, 4], [i / 8 for i in range(12)])
    b = tensor("b", FLOAT, [3], [1, -1, 0.5])
    v = tensor("v", FLOAT, [3, 2], [i / 4 for i in range(6)])
    nodes = [node("Gemm", ["x", "w", "b"], ["h"], "fc1", transB=1, alpha=0.5, beta=2.0),
             node("Relu", ["h"], ["r"], "act"),
             node("MatMul", ["r", "v"], ["y"], "fc2")]
    return model(graph(nodes, X, [value_info("y", FLOAT, ["batch", 2])], [w, b, v]))


def shapes():
    s = tensor("s", INT64, [2], [2, -1])
    nodes = [node("Reshape", ["x", "s"], ["r"], "reshape"),
             node("Transpose", ["r"], ["t"], "transpose", perm=[1, 0]),
             node("Flatten", ["t"], ["f"], "flatten", axis=1),
             node("Constant", [], ["k"], "constant", value=tensor("", FLOAT, [1], [3])),
             node("Add", ["f", "k"], ["y"], "add")]
    return model(graph(nodes, [value_info("x", FLOAT, [2, 4])], [value_info("y", FLOAT, [4, 2])], [s]))


def quantized():
    scale, zero = tensor("s", FLOAT, [], [0.05]), tensor("z", UINT8, [], [128])
    w = tensor("w", INT8, [4, 2], [1, -2, 3, -4, 5, -6, 7, -8])
    ws, wz = tensor("ws", FLOAT, [2], [0.1, 0.2]), tensor("wz", INT8, [2], [0, 0])
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["q"], "q"),
             node("QLinearMatMul", ["q", "s", "z", "w", "ws", "wz", "s", "z"], ["m"], "qmm"),
             node("DequantizeLinear", ["m", "s", "z"], ["y"], "dq"),
             node("DequantizeLinear", ["w", "ws", "wz"], ["dw"], "dqw", axis=1)]
    return model(graph(nodes, X, [value_info("y", FLOAT, ["batch", 2]), value_info("dw", FLOAT, [4, 2])],
                       [scale, zero, w, ws, wz]))


def dynamic():
    w, z = tensor("w", INT8, [4, 2], [1, -2, 3, -4, 5, -6, 7, -8]), tensor("z", INT8, [], [3])
    nodes = [node("DynamicQuantizeLinear", ["x"], ["q", "s", "qz"], "dql"),
             node("MatMulInteger", ["q", "w", "qz", "z"], ["y"], "mmi")]
    return model(graph(nodes, X, [value_info("y", INT32, ["batch", 2])], [w, z]))


def values():
    one = tensor("one", INT64, [1], [1])
    nodes = [node("Unsqueeze", ["x", "one"], ["u"], "unsqueeze"),
             node("Squeeze", ["u", "one"], ["s"], "squeeze"),
             node("Constant", [], ["lo"], "lo", value_float=-1.0),
             node("Clip", ["s", "lo"], ["c"], "clip"),
             node("Cast", ["c"], ["i"], "cast", to=INT8),
             node("Max", ["c", "x", "lo"], ["m"], "max"),
             node("Mean", ["m", "x"], ["a"], "mean"),
             node("Dropout", ["a"], ["y"], "dropout")]
    return model(graph(nodes, X, [value_info("y", FLOAT, ["batch", 4]), value_info("i", INT8, ["batch", 4])], [one])
                 + blob(13, value_info("m", FLOAT, ["batch", 4])))


def external():
    entry = blob(13, blob(1, "location") + blob(2, "w.bin")) + blob(13, blob(1, "offset") + blob(2, "16"))
    w = number(1, 4) + number(2, FLOAT) + blob(8, "w") + entry + number(14, 1)
    return model(graph([node("Add", ["x", "w"], ["y"], "add")], X, [value_info("y", FLOAT, ["batch", 4])], [w]))


def typed_fields():
    h = number(1, 3) + number(2, 10) + blob(8, "h") + blob(5, varint(0x3C00) + varint(0xC000) + varint(1))
    n = number(1, 3) + number(2, 22) + blob(8, "n") + blob(5, varint(0x7F) + varint(8))
    s = tensor("s", FLOAT, [], [0.5])
    nodes = [node("Cast", ["h"], ["f"], "half", to=FLOAT), node("DequantizeLinear", ["n", "s"], ["d"], "nibbles"),
             node("Add", ["f", "d"], ["y"], "add")]
    return model(graph(nodes, [], [value_info("y", FLOAT, [3])], [h, n, s]), 21)


for make in (elementwise, layers, shapes, quantized, dynamic, values, external, typed_fields):
    put("onnx", make.__name__, make())
put("onnx", "empty", b"")
put("onnx", "truncated", layers()[:60])
put("onnx", "unknown_op", model(graph([node("Einsum", ["x"], ["y"], "e", equation="ij->ji")], X,
                                      [value_info("y", FLOAT, [4, "batch"])])))
nested = graph([], [], [])
for _ in range(80):
    nested = graph([blob(4, "If") + blob(5, blob(1, "then_branch") + blob(6, nested) + number(20, 5))], [], [])
put("onnx", "nested", model(nested))

one = floats(1, -0.0, float("nan"), 4)
put("store", "f4", npy("<f4", [2, 2], one))
put("store", "f4_fortran", npy("<f4", [2, 2], one, fortran=True))
put("store", "big_endian", npy(">i4", [3], struct.pack(">3i", 1, -2, 3), version=2))
put("store", "scalar", npy("<i8", [], struct.pack("<q", -5)))
put("store", "no_elements", npy("|b1", [0, 7], b""))
put("store", "npz", npz({"a": npy("<f4", [2, 2], one), "b": npy("|u1", [3], b"abc")}))
put("store", "npz_deflated", npz({"a": npy("<f4", [2, 2], one), "b": npy("|u1", [300], b"a" * 300)}, compress=True))
put("store", "safetensors", safetensors(
    {"__metadata__": {"format": "pt", "quern.type.w": "3x3xi4"},
     "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
     "w": {"dtype": "U8", "shape": [5], "data_offsets": [16, 21]},
     "e": {"dtype": "BF16", "shape": [0], "data_offsets": [21, 21]}}, one + b"\x21\x43\x65\x87\x09"))
put("store", "overlap", safetensors({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
                                     "b": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]}}, b"123456"))
put("store", "too_long", safetensors({"a": {"dtype": "F64", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 8]}}, b"12345678"))

for i, text in enumerate([
        "canonicalize,cse,dce", "infer-shapes{bind=n:3},canonicalize{max_fold=64}", "inline,lower-kernels{target=generic}",
        "inline,infer-shapes,canonicalize,cse,dce,lower-kernels{target=avx2 fuse=false},pack-constants,dce,plan-buffers",
        "insert-observers{kind=histogram-mse,weights=true}", "inline,insert-observers,apply-calibration",
        "choose-granularity{granularity=\"group=2\" min_sqnr=1e-3}", "inline,quantize{dynamic=true granularity=tensor},fold-qparams",
        "fold-qparams{requantize=single},prove-accumulators", " cse , dce { } ,", "nothing{a=b", "dce{\"x\"=\"y\\\"z\"}", ""]):
    put("pipeline", "p%02d" % i, text)
