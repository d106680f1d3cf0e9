"""A small convolutional network as text, and images for it: make.py FOLDER writes network.mlir, calib.npz, test.npz.

Everything follows from a fixed seed: weights are random, images are sums of a few waves. Normalizations stand as
multiplications and additions behind the convolutions, as exporters write them."""
import math
import os
import random
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from formats import *

folder = sys.argv[1]
random.seed(20240611)
lines = []
SIDE = 24
DIMS = ', #quern.dims<"batch","","","">'


def constant(name, shape, values):
    text = "0x" + struct.pack("<%df" % len(values), *values).hex().upper()
    kind = "tensor<%sxf32>" % "x".join(map(str, shape))
    lines.append('  %%%s = arith.constant dense<"%s"> : %s' % (name, text, kind))
    return "%" + name, kind


def image(shape):
    return "tensor<?x%sxf32%s>" % ("x".join(map(str, shape)), DIMS)


class Layer:
    def __init__(self):
        self.count = 0

    def op(self, text, result):
        self.count += 1
        lines.append("  %%v%d = %s -> %s" % (self.count, text, result))
        return "%%v%d" % self.count


net = Layer()


def conv(x, shape, out, kernel, stride=1, pad=0, groups=1, norm=True, relu=True):
    """Convolution, per-channel multiplication and addition, relu; shape is [H, W, C]."""
    height, width, channels = shape
    per_group = channels // groups
    n = kernel * kernel * per_group
    name = "c%d" % net.count
    spread = 1.7 / math.sqrt(n)
    w, wt = constant(name + "w", [kernel, kernel, per_group, out],
                     [random.gauss(0, spread) for _ in range(n * out)])
    result = [(height + 2 * pad - kernel) // stride + 1, (width + 2 * pad - kernel) // stride + 1, out]
    y = net.op("quern.conv2d %s, %s {groups = %d, pads = array<i64: %d, %d, %d, %d>, strides = array<i64: %d, %d>} : "
               "(%s, %s)" % (x, w, groups, pad, pad, pad, pad, stride, stride, image(shape), wt), image(result))
    if norm:
        k, kt = constant(name + "k", [out], [random.uniform(0.6, 1.4) for _ in range(out)])
        y = net.op("quern.mul %s, %s : (%s, %s)" % (y, k, image(result), kt), image(result))
    b, bt = constant(name + "b", [out], [random.gauss(0, 0.2) for _ in range(out)])
    y = net.op("quern.add %s, %s : (%s, %s)" % (y, b, image(result), bt), image(result))
    if relu:
        y = net.op("quern.relu %s : (%s)" % (y, image(result)), image(result))
    return y, result


shape = [SIDE, SIDE, 3]
lines.append("func.func @main(%%x: %s) -> tensor<?x10xf32, #quern.dims<\"batch\",\"\">> {" % image(shape))
y, shape = conv("%x", shape, 16, 3, pad=1)
y, shape = conv(y, shape, 16, 3, stride=2, pad=1, groups=16)  # depthwise
y, shape = conv(y, shape, 32, 1)
skip = y
z, shape = conv(y, shape, 32, 3, pad=1, relu=False)
y = net.op("quern.add %s, %s : (%s, %s)" % (z, skip, image(shape), image(shape)), image(shape))
y = net.op("quern.relu %s : (%s)" % (y, image(shape)), image(shape))
half = [shape[0] // 2, shape[1] // 2, shape[2]]
y = net.op("quern.max_pool %s {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (%s)" % (y, image(shape)),
           image(half))
shape = half
y, shape = conv(y, shape, 32, 3, pad=1, groups=32)
y, shape = conv(y, shape, 64, 1)
y, shape = conv(y, shape, 64, 3, stride=2, pad=1, groups=2)
y = net.op("quern.average_pool %s : (%s)" % (y, image(shape)), image([1, 1, 64]))
flat = 'tensor<?x64xf32, #quern.dims<"batch","">>'
y = net.op("quern.reshape %s {shape = array<i64: -2, 64>} : (%s)" % (y, image([1, 1, 64])), flat)
w, wt = constant("fw", [64, 10], [random.gauss(0, 0.4) for _ in range(640)])
y = net.op("quern.matmul %s, %s : (%s, %s)" % (y, w, flat, wt), 'tensor<?x10xf32, #quern.dims<"batch","">>')
lines.append('  return %s : tensor<?x10xf32, #quern.dims<"batch","">>\n}' % y)
with open(os.path.join(folder, "network.mlir"), "w") as f:
    f.write("\n".join(lines) + "\n")


def images(count):
    values = []
    for _ in range(count):
        waves = [(random.uniform(-0.9, 0.9), random.uniform(-0.9, 0.9), random.uniform(0, 6.3), random.gauss(0, 0.7))
                 for _ in range(12)]
        for i in range(SIDE):
            for j in range(SIDE):
                for c in range(3):
                    values.append(sum(a * math.sin(u * i + v * j + p + c)
                                      for u, v, p, a in waves[4 * c:4 * c + 4]))
    return npy("<f4", [count, SIDE, SIDE, 3], floats(*values))


for name, count in (("calib.npz", 24), ("test.npz", 32)):
    with open(os.path.join(folder, name), "wb") as f:
        f.write(npz({"x": images(count)}))
