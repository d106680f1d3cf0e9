"""Writers for the formats that Quern reads, in plain Python: what the tests need, and files that are wrong on purpose."""
import io
import json
import struct
import zipfile

# ---- protobuf ----


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n)


def blob(field, data):
    if isinstance(data, str):
        data = data.encode()
    return varint(field << 3 | 2) + varint(len(data)) + data


def single(field, x):
    return varint(field << 3 | 5) + struct.pack("<f", x)


# ---- ONNX: field numbers as in onnx.proto ----

FLOAT, UINT8, INT8, INT32, INT64 = 1, 2, 3, 6, 7
CODES = {FLOAT: "f", UINT8: "B", INT8: "b", INT32: "i", INT64: "q"}


def tensor(name, kind, shape, values):
    raw = struct.pack("<%d%s" % (len(values), CODES[kind]), *values)
    return b"".join(number(1, d) for d in shape) + number(2, kind) + blob(8, name) + blob(9, raw)


def dimension(d):
    return blob(2, d) if isinstance(d, str) else number(1, d)


def value_info(name, kind, shape):
    dims = b"".join(blob(1, dimension(d)) for d in shape)
    return blob(1, name) + blob(2, blob(1, number(1, kind) + blob(2, dims)))


def attribute(name, v):
    if isinstance(v, float):
        return blob(1, name) + single(2, v) + number(20, 1)
    if isinstance(v, int):
        return blob(1, name) + number(3, v) + number(20, 2)
    if isinstance(v, str):
        return blob(1, name) + blob(4, v) + number(20, 3)
    if isinstance(v, bytes):
        return blob(1, name) + blob(5, v) + number(20, 4)
    return blob(1, name) + b"".join(number(8, i) for i in v) + number(20, 7)


def node(op, inputs, outputs, name="", **attributes):
    return (b"".join(blob(1, i) for i in inputs) + b"".join(blob(2, o) for o in outputs) + blob(3, name)
            + blob(4, op) + b"".join(blob(5, attribute(k, v)) for k, v in sorted(attributes.items())))


def graph(nodes, inputs, outputs, initializers=(), name="g"):
    return (b"".join(blob(1, n) for n in nodes) + blob(2, name) + b"".join(blob(5, t) for t in initializers)
            + b"".join(blob(11, i) for i in inputs) + b"".join(blob(12, o) for o in outputs))


def model(a_graph, opset=17, version=8):
    return number(1, version) + blob(7, a_graph) + blob(8, blob(1, "") + number(2, opset))


# ---- npy, npz, safetensors ----


def npy_header(text, version=1):
    """The magic and a header that holds any text."""
    size = len(text) + 1
    pad = -(size + (10 if version == 1 else 12)) % 64
    text = text + " " * pad + "\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text.encode()


def npy(descr, shape, data, fortran=False, version=1):
    dims = "(" + "".join("%d," % d for d in shape) + ")"
    return npy_header("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }" % (descr, fortran, dims), version) + data


def npz(entries, compress=False):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as z:
        for name, data in entries.items():
            z.writestr(zipfile.ZipInfo(name + ".npy"), data, z.compression)
    return out.getvalue()


def safetensors(header, data=b""):
    text = header if isinstance(header, str) else json.dumps(header)
    text = text.encode()
    return struct.pack("<Q", len(text)) + text + data


def floats(*values):
    return struct.pack("<%df" % len(values), *values)
