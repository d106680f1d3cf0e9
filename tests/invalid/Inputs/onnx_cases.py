"""Writes one ONNX model that is wrong on purpose to standard output: onnx_cases.py CASE"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from formats import *

X = value_info("x", FLOAT, ["batch", 4])
Y = value_info("y", FLOAT, ["batch", 4])
GOOD = model(graph([node("Relu", ["x"], ["y"], "act")], [X], [Y]))


def with_nodes(*nodes, outputs=(Y,), initializers=(), inputs=(X,), opset=17):
    return model(graph(nodes, inputs, outputs, initializers), opset)


def with_weight(weight):
    return with_nodes(node("Add", ["x", "w"], ["y"], "add"), initializers=[weight])


def nested():
    inner = graph([], [], [])
    for _ in range(3000):
        inner = blob(1, blob(4, "If") + blob(5, blob(1, "then_branch") + blob(6, inner) + number(20, 5)))
    return model(inner)


def external(location):
    entry = blob(13, blob(1, "location") + blob(2, location))
    return number(1, 4) + number(2, FLOAT) + blob(8, "w") + entry + number(14, 1)


CASES = {
    "empty": lambda: b"",
    "text": lambda: b"ir_version: 8\ngraph { }\n",
    "truncated": lambda: GOOD[:40],
    "wrong-wire-type": lambda: number(1, 8) + number(7, 1),
    "huge-length": lambda: number(1, 8) + varint(7 << 3 | 2) + varint(1 << 40) + b"abc",
    "nested": nested,
    "many-parts": lambda: model(blob(1, b"") * 300000),
    "no-graph": lambda: number(1, 8) + blob(8, blob(1, "") + number(2, 17)),
    "no-opset": lambda: number(1, 8) + blob(7, graph([node("Relu", ["x"], ["y"])], [X], [Y])),
    "old-opset": lambda: with_nodes(node("Relu", ["x"], ["y"]), opset=6),
    "new-opset": lambda: with_nodes(node("Relu", ["x"], ["y"]), opset=99),
    "unsupported": lambda: with_nodes(node("Einsum", ["x"], ["a"], "product"), node("Relu", ["a"], ["b"], "act"),
                                      node("LSTM", ["b"], ["y"])),
    "cycle": lambda: with_nodes(node("Relu", ["y"], ["a"], "first"), node("Relu", ["a"], ["y"], "second")),
    "undefined": lambda: with_nodes(node("Relu", ["nobody"], ["y"], "act")),
    "defined-twice": lambda: with_nodes(node("Relu", ["x"], ["y"], "one"), node("Relu", ["x"], ["y"], "two")),
    "shape-mismatch": lambda: with_weight(tensor("w", FLOAT, [3], [1, 2, 3])),
    "short-data": lambda: with_weight(number(1, 4) + number(2, FLOAT) + blob(8, "w") + blob(9, b"abcd")),
    "strings": lambda: with_weight(number(1, 4) + number(2, 8) + blob(8, "w") + blob(6, "a")),
    "unknown-type": lambda: with_weight(number(1, 4) + number(2, 99) + blob(8, "w") + blob(9, b"abcd")),
    "external-escape": lambda: with_weight(external("../secret.bin")),
    "external-absolute": lambda: with_weight(external("/etc/passwd")),
    "external-missing": lambda: with_weight(external("no-such-file.bin")),
    "shape-input": lambda: with_nodes(node("Reshape", ["x", "s"], ["y"], "view"),
                                      inputs=[X, value_info("s", INT64, [2])]),
    "huge-window": lambda: with_nodes(node("Conv", ["x", "w"], ["y"], "conv", auto_pad="SAME_UPPER", dilations=[7, 7]),
                                      inputs=[value_info("x", FLOAT, [1, 1, 8, 8]),
                                              value_info("w", FLOAT, [1, 1, 1 << 62, 3])]),
    "bad-scale": lambda: with_nodes(node("QuantizeLinear", ["x", "s"], ["y"], "quant"),
                                    outputs=[value_info("y", UINT8, ["batch", 4])],
                                    initializers=[tensor("s", FLOAT, [], [-1])]),
    "sequence": lambda: with_nodes(node("Relu", ["x"], ["y"]), inputs=[blob(1, "x") + blob(2, blob(4, b""))]),
    "no-outputs": lambda: with_nodes(node("Relu", ["x"], ["y"]), outputs=[]),
    "good": lambda: GOOD,
}

sys.stdout.buffer.write(CASES[sys.argv[1]]())
