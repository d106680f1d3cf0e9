#!/usr/bin/env python3
"""Programs compiled ahead of time for an instruction set row give the interpreter's bits: run.py QUERN ROW [FILE.mlir ..]

Each program of this folder is compiled to an object, linked with a main of a few lines that needs no C library (clang-19
and ld.lld-19 do that for every machine) and run: here, or where the row is for another machine, by qemu-user with a
processor that has the row's instructions and no more. Rows of instructions that neither has are compiled to LLVM IR
instead, and those instructions put in another way: see REWRITES. A missing tool is told, and the test passed over."""
import os, random, re, shutil, struct, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
RV64 = "rv64,v=true,vext_spec=v1.0,vlen=%d"
ROWS = {  # how to run: emulators with their processors, or [] for this machine; which instructions that takes
    "generic": ("x86_64", [[]], []),
    "x86-64": ("x86_64", [[]], []),
    "avx2": ("x86_64", [[]], ["avx2", "fma", "bmi2"]),
    "avxvnni": ("x86_64", [[]], ["avx512_vnni", "avx512vl"]),
    "amx-int8": ("x86_64", [[]], ["avx512_vnni", "avx512vbmi", "avx512vl", "avx512bw", "avx512dq"]),
    "avx512bf16": ("x86_64", [[]], ["avx512_vnni", "avx512vbmi", "avx512vl", "avx512bw", "avx512dq"]),
    "avx512vbmi": ("x86_64", [[]], ["avx512_vnni", "avx512vbmi", "avx512vl", "avx512bw", "avx512dq"]),
    "avx512vnni": ("x86_64", [[]], ["avx512_vnni", "avx512vl", "avx512bw", "avx512dq"]),
    "aarch64": ("aarch64", [["qemu-aarch64", "-cpu", "cortex-a57"]], []),
    "aarch64-dotprod": ("aarch64", [["qemu-aarch64", "-cpu", "neoverse-n1"]], []),
    "aarch64-sve256": ("aarch64", [["qemu-aarch64", "-cpu", "max,sve-default-vector-length=%d" % n] for n in (32, 64)], []),
    "aarch64-i8mm": ("aarch64", [["qemu-aarch64", "-cpu", "max"]], []),
    "riscv64-v": ("riscv64", [["qemu-riscv64", "-cpu", RV64 % vlen] for vlen in (128, 256)], []),
}
# Rows whose own instructions this machine may lack. Clang flags that give the same IR other ones; intrinsics that are
# made calls of functions of the same name, which a file of this folder defines; and instructions in text, of which
# another file makes macros.
AVX512 = ["-march=x86-64-v4", "-mavx512vnni", "-mavx512vbmi"]
REWRITES = {
    "avxvnni": (["-mavx2", "-mfma", "-mf16c", "-mavx512vl", "-mavx512vnni"], None, None, None),
    "avx512bf16": (AVX512, r"llvm\.x86\.avx512bf16\.(dpbf16ps)\.512", "bf16.c", "bf16.s"),
    "amx-int8": (AVX512, r"llvm\.x86\.(\w*tile\w*|tdp\w+)", "tiles.c", "bf16.s"),
}
RELAXED = ["avx512bf16", "amx-int8"]  # have instructions that only a product that says so may use

FREESTANDING = ["-O1", "-ffreestanding", "-fno-builtin", "-fno-stack-protector", "-fno-pic", "-nostdlibinc"]
START = {
    "x86_64": ".globl _start\n_start: xor %ebp, %ebp\n call start\n",
    "aarch64": ".globl _start\n_start: bl start\n",
    "riscv64": ".globl _start\n_start: call start\n",
}
SYSCALL = {  # write, exit, and how: number and three arguments
    "x86_64": (1, 60, "long r; __asm__ volatile(\"syscall\" : \"=a\"(r) : \"a\"(n), \"D\"(a), \"S\"(b), \"d\"(c) : \"rcx\", \"r11\", \"memory\"); return r;"),
    "aarch64": (64, 93, "register long x8 __asm__(\"x8\") = n, x0 __asm__(\"x0\") = a, x1 __asm__(\"x1\") = b, x2 __asm__(\"x2\") = c;"
                        "__asm__ volatile(\"svc 0\" : \"+r\"(x0) : \"r\"(x8), \"r\"(x1), \"r\"(x2) : \"memory\"); return x0;"),
    "riscv64": (64, 93, "register long a7 __asm__(\"a7\") = n, a0 __asm__(\"a0\") = a, a1 __asm__(\"a1\") = b, a2 __asm__(\"a2\") = c;"
                        "__asm__ volatile(\"ecall\" : \"+r\"(a0) : \"r\"(a7), \"r\"(a1), \"r\"(a2) : \"memory\"); return a0;"),
}
NUMPY = {"f64": "<f8", "f32": "<f4", "f16": "<f2", "i8": "|i1", "ui8": "|u1", "u8": "|u1", "i16": "<i2", "u16": "<u2", "ui16": "<u2",
         "i32": "<i4", "ui32": "<u4", "i64": "<i8"}
SPECIAL = [0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1e-45, -1e-40, 3.4e38, 0.5, 1.5, -2.5, 88.8, -104.0, 16777217.0]


def skip(why):
    print("passed over: " + why)
    sys.exit(0)


def command(*args):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        sys.exit("%s failed (%d):\n%s" % (" ".join(args), done.returncode, done.stderr.decode(errors="replace")[-2000:]))
    return done.stdout


def inputs_of(text):
    """Names, shapes and element types of the function's arguments; quantized aliases by their storage."""
    alias = dict(re.findall(r"^!(\w+) = !quant\.uniform<(\w+)", text, re.M))
    signature = text[text.index("@main(") : text.index("->")]
    for name, shape, elem in re.findall(r"%(\w+): tensor<((?:\d+x)*)([!\w]+)>", signature):
        yield name, [int(d) for d in shape.split("x")[:-1]], alias[elem[1:]] if elem[0] == "!" else elem


def random_bytes(rng, elem, count, special):
    if elem in ("f32", "f64", "f16"):
        limit = 6e4 if elem == "f16" else 4e38
        values = [rng.gauss(0, 3) for _ in range(count)]
        for i in range(count if special else 0):
            if rng.random() < 0.3:
                v = rng.choice(SPECIAL)
                values[i] = v if v != v or abs(v) == float("inf") or abs(v) < limit else 1.0
        return struct.pack("<%d%s" % (count, {"f32": "f", "f64": "d", "f16": "e"}[elem]), *values)
    size = int(NUMPY[elem][2:])
    if elem == "i64":  # of all magnitudes
        return b"".join(struct.pack("<q", rng.getrandbits(rng.randrange(1, 64)) * rng.choice((-1, 1))) for _ in range(count))
    return bytes(rng.getrandbits(8) for _ in range(count * size))


def write_npy(path, elem, shape, data):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (NUMPY[elem], "".join("%d," % d for d in shape))
    head += " " * (-(len(head) + 11) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)


def read_npy(path):
    data = open(path, "rb").read()
    return data[10 + struct.unpack("<H", data[8:10])[0] :]


def packed(elem, data):
    """Four-bit codes as programs hold them: two to a byte, the first in the low half. Files have a byte for each."""
    if "<i4:" not in elem:
        return data
    data += b"\0" * (len(data) % 2)
    return bytes(data[i] & 15 | (data[i + 1] & 15) << 4 for i in range(0, len(data), 2))


def same(elem, a, b):
    """Bit for bit, but that any NaN equals any other."""
    if a == b:
        return True
    form = {"f64": ("Q", 11, 52), "f32": ("I", 8, 23), "f16": ("H", 5, 10), "bf16": ("H", 8, 7)}.get(elem)
    if not form or len(a) != len(b):
        return False
    code, e, m = form
    n = len(a) // struct.calcsize(code)
    nan = lambda x: (x >> m) & ((1 << e) - 1) == (1 << e) - 1 and x & ((1 << m) - 1)
    return all(x == y or (nan(x) and nan(y)) for x, y in zip(struct.unpack("<%d%s" % (n, code), a), struct.unpack("<%d%s" % (n, code), b)))


def close(elem, a, b):
    """Sums of products of numbers around 3 that were added in another order, perhaps rounded to bf16."""
    form, size = ("f", 4) if elem == "f32" else ("H", 2)
    wide = lambda x: x if elem == "f32" else struct.unpack("<f", struct.pack("<I", x << 16))[0]
    x, y = ([wide(v) for v in struct.unpack("<%d%s" % (len(s) // size, form), s)] for s in (a, b))
    limit = 1e-5 if elem == "f32" else 2.0**-7
    return len(x) == len(y) and all(abs(p - q) <= limit * abs(q) + 1e-3 for p, q in zip(x, y))


MAIN = """
#include "model.h"
__asm__(".pushsection .text\\n%s.popsection");
static long call(long n, long a, long b, long c) { %s }
%s
static _Alignas(64) unsigned char workspace[model_WORKSPACE_BYTES + 64];
void start(void);
void start(void) {
  static void *ptr[] = {%s};
  qn_kargs args;
  args.ptr = ptr, args.size = 0, args.stride = 0, args.workspace = workspace;
  args.begin[0] = args.begin[1] = args.end[0] = args.end[1] = 0;
  int code = model(&args);
  %s
  call(%d, code ? 3 : 0, 0, 0);
  for (;;) {}
}
"""


class Program:
    def __init__(self, quern, row, path, folder):
        self.quern, self.row, self.folder = quern, row, folder
        self.arch, self.runs, _ = ROWS[row]
        self.path, self.name = path, os.path.basename(path)
        self.seed = sum(self.name.encode())
        self.modelled = 0  # uses of intrinsics that were put in another way

    def at(self, name):
        return os.path.join(self.folder, name)

    def expect(self):
        """What the interpreter says, as (name, element type, bytes) per output."""
        rng = random.Random(self.seed)
        args = []
        for name, shape, elem in inputs_of(open(self.path).read()):
            count = 1
            for d in shape:
                count *= d
            data = random_bytes(rng, elem, count, self.name == "maps.mlir")
            write_npy(self.at(name + ".npy"), elem, shape, data)
            open(self.at(name + ".bin"), "wb").write(data)
            args += ["--input", "%s=%s" % (name, self.at(name + ".npy"))]
        command(self.quern, "run", self.path, "--engine", "interp", "-o", self.at("want"), *args)

    def compile(self):
        emit = lambda kind, out: command(self.quern, "compile", self.path, "--cpu", self.row, "--emit", kind, "-o", self.at(out),
                                         "--header", self.at("model.h"), "--entry", "model")
        target = "--target=%s-linux-gnu" % self.arch
        if self.row in REWRITES:
            flags, intrinsics, model, macros = REWRITES[self.row]
            emit("llvm", "model.ll")
            if intrinsics:
                text = open(self.at("model.ll")).read()
                text, n = re.subn("@" + intrinsics, r"@model_\1", text)
                self.modelled += n
                text = re.sub(r'call i64 asm sideeffect "syscall".*', "add i64 0, 0", text)  # asks for the registers
                if macros:
                    lines = open(os.path.join(HERE, macros)).read().split("\n")
                    self.modelled += sum(text.count("\\0A%s " % name) for name in re.findall(r"^\.macro (\w+)", "\n".join(lines), re.M))
                    text += "".join('module asm "%s"\n' % line.replace("\\", "\\5C") for line in lines)
                open(self.at("model.ll"), "w").write(text.replace("immarg", ""))
                command("clang-19", target, *flags, *FREESTANDING, "-c", os.path.join(HERE, model), "-o", self.at("extra.o"))
            command("clang-19", target, *flags, "-O1", "-Xclang", "-disable-llvm-passes", "-Wno-override-module", "-c",
                    self.at("model.ll"), "-o", self.at("model.o"))
        else:
            emit("obj", "model.o")

    def link(self):
        header = open(self.at("model.h")).read()
        ports = re.findall(r"ptr\[\d+\]  (input|output) (\w+): tensor<(?:\d+x)*(.*)>, (\d+) bytes", header)
        write, leave, how = SYSCALL[self.arch]
        data, ptrs, prints, self.outputs = [], [], [], []
        for i, (kind, name, elem, size) in enumerate(ports):
            ptrs.append("p%d" % i)
            if kind == "input":
                data.append('extern unsigned char p%d[]; __asm__(".pushsection .data\\np%d: .incbin \\"%s\\"\\n.popsection");'
                            % (i, i, self.at(name + ".bin")))
            else:
                data.append("static unsigned char p%d[%s + 1];" % (i, size))
                prints.append("for (long at = 0; at < %s;) at += call(%d, 1, (long)(p%d + at), %s - at);" % (size, write, i, size))
                self.outputs.append((name, elem, int(size)))
        open(self.at("main.c"), "w").write(MAIN % (START[self.arch].replace("\n", "\\n"), how, "\n".join(data), ", ".join(ptrs),
                                                   "\n  ".join(prints), leave))
        target = "--target=%s-linux-gnu" % self.arch
        more = ["-march=rv64gc", "-mabi=lp64d", "-mno-relax"] if self.arch == "riscv64" else []
        command("clang-19", target, *more, *FREESTANDING, "-c", self.at("main.c"), "-o", self.at("main.o"))
        objects = [self.at(o) for o in ("main.o", "model.o", "extra.o") if os.path.exists(self.at(o))]
        command("ld.lld-19", "-static", *objects, "-o", self.at("a.out"))

    def check(self):
        bad = 0
        for run in self.runs:
            got = command(*run, self.at("a.out"))
            for name, elem, size in self.outputs:
                part, got = got[:size], got[size:]
                agrees = close if self.row in RELAXED and self.name == "relaxed.mlir" else same
                if not agrees(elem, part, packed(elem, read_npy(self.at("want/%s.npy" % name)))):
                    print("%s: %s: '%s' has other bits (%s)" % (self.row, self.name, name, " ".join(run) or "here"))
                    bad += 1
        return bad


def main():
    quern, row = sys.argv[1:3]
    files = sys.argv[3:] or sorted(os.path.join(HERE, f) for f in os.listdir(HERE) if f.endswith(".mlir"))
    arch, runs, needs = ROWS[row]
    for tool in ["clang-19", "ld.lld-19"] + [run[0] for run in runs if run]:
        if not shutil.which(tool):
            skip("no " + tool)
    if not runs[0] and os.uname().machine != arch:
        skip("no %s machine" % arch)
    have = open("/proc/cpuinfo").read().split() if needs else []
    for flag in needs:
        if flag not in have:
            skip("this machine has no " + flag)
    bad = modelled = 0
    for path in files:
        folder = tempfile.mkdtemp(prefix="quern-cross-")
        try:
            p = Program(quern, row, path, folder)
            p.expect()
            p.compile()
            p.link()
            wrong = p.check()
            bad += wrong
            modelled += p.modelled
            if not wrong:
                print("%s: %s agrees (%s)" % (row, p.name, ", ".join(" ".join(r) or "here" for r in runs)))
        finally:
            shutil.rmtree(folder)
    if len(sys.argv) == 3 and row in REWRITES and REWRITES[row][1] and not modelled:
        sys.exit("no program has an instruction that matches " + REWRITES[row][1])
    sys.exit(bad != 0)


main()
