"""Writes the arrays and models that run.sh uses into a folder: files.py FOLDER"""
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from formats import *

folder = sys.argv[1]


def put(name, data):
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


def f4(shape, values):
    return npy("<f4", shape, floats(*values))


good = f4([2, 4], [i / 4 - 1 for i in range(8)])
put("x.npy", good)
put("wide.npy", f4([2, 5], [0.0] * 10))
put("double.npy", npy("<f8", [2, 4], struct.pack("<8d", *range(8))))
put("samples.npz", npz({"x": good}))
put("other.npz", npz({"y": good}))
put("none.npz", npz({"x": f4([0, 4], [])}))
put("nan.npz", npz({"x": f4([2, 4], [0, 1, 2, 3, float("nan"), 1, 2, 3])}))
put("inf.npz", npz({"x": f4([2, 4], [0, 1, 2, 3, float("inf"), 1, 2, 3])}))
put("ragged.npz", npz({"x": f4([2, 5], [0.0] * 10)}))

# ---- .npy files that are not what they say ----
put("cut.npy", good[:-5])
put("header_cut.npy", good[:40])
put("magic.npy", b"\x93NUMPX" + good[6:])
put("version.npy", good[:6] + b"\x09" + good[7:])
put("object.npy", npy("|O", [1], b"\x80\x04N."))
put("negative.npy", npy("<f4", [-2, 4], floats(*range(8))))
put("huge.npy", npy("<f4", [1 << 40, 1 << 40], b"1234"))
put("deep.npy", npy("<f4", [1] * 33, floats(1)))
put("syntax.npy", npy_header("{'descr': '<f4', 'fortran_order': Perhaps, 'shape': (2,4)}") + floats(*range(8)))
put("header_long.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 0xFFFFFFF0) + b"{")
put("empty.npy", b"")

# ---- .npz ----
put("cut.npz", npz({"x": good})[:-30])
put("inside.npz", npz({"x": good[:-5]}))
put("bomb.npz", npz({"x": npy("<f4", [1 << 26, 4], b"\0" * 64)}, compress=True))
bad = bytearray(npz({"x": good * 50}, compress=True))
bad[60] ^= 255
put("damaged.npz", bytes(bad))

# ---- .safetensors: beside programs that read `w` of four floats from them ----
w = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
tensors = {
    "no_file": None,
    "cut": safetensors({"w": w}, floats(1, 2, 3)),
    "header": struct.pack("<Q", 1 << 60) + b"{}",
    "json": safetensors('{"w": {"dtype": "F32", "shape": [4, "data_offsets": [0, 16]}}', floats(1, 2, 3, 4)),
    "deep": safetensors('{"w": ' + "[" * 4000 + "]" * 4000 + "}", floats(1, 2, 3, 4)),
    "dtype": safetensors({"w": dict(w, dtype="F33")}, floats(1, 2, 3, 4)),
    "offsets": safetensors({"w": dict(w, data_offsets=[8, 4])}, floats(1, 2, 3, 4)),
    "outside": safetensors({"w": dict(w, data_offsets=[0, 1 << 62], shape=[1 << 60])}, floats(1, 2, 3, 4)),
    "overlap": safetensors({"w": w, "v": dict(w, data_offsets=[8, 24])}, floats(1, 2, 3, 4, 5, 6)),
    "twice": safetensors('{"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, '
                         '"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}', floats(1, 2, 3, 4)),
    "no_tensor": safetensors({"v": w}, floats(1, 2, 3, 4)),
    "shape": safetensors({"w": dict(w, shape=[2, 2])}, floats(1, 2, 3, 4)),
    "type": safetensors({"w": dict(w, dtype="I32")}, floats(1, 2, 3, 4)),
}
for name, data in tensors.items():
    put("st_%s.mlir" % name, b"""func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %w = arith.constant dense_resource<w> : tensor<4xf32>
  %y = quern.add %x, %w : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
""")
    if data is not None:
        put("st_%s.safetensors" % name, data)

# ---- a model whose bias has no place in 32 bits next to its weights ----
inputs, outputs = [value_info("x", FLOAT, ["n", 4])], [value_info("y", FLOAT, ["n", 2])]
gemm = node("Gemm", ["x", "w", "b"], ["y"], "layer")
weights = tensor("w", FLOAT, [4, 2], [1e-6 * (i + 1) for i in range(8)])
layers = [node("Gemm", ["x", "w", "b"], ["h"], "layer"), node("MatMul", ["h", "v"], ["y"], "next")]
put("bias.onnx", model(graph(layers, inputs, outputs, [weights, tensor("b", FLOAT, [2], [1, 1e9]),
                                                        tensor("v", FLOAT, [2, 2], [1, 0, 0, 1])])))
put("model.onnx", model(graph([gemm], inputs, outputs, [tensor("w", FLOAT, [4, 2], [i / 8 for i in range(8)]),
                                                         tensor("b", FLOAT, [2], [1, -1])])))
put("unsupported.onnx", model(graph([node("Einsum", ["x"], ["a"], "first"), node("Loop", ["a"], ["y"], "second")],
                                    inputs, outputs)))
