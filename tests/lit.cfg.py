"""Text tests: lit runs the RUN lines of each .mlir file, FileCheck reads its CHECK lines.

    ctest --test-dir build/dev -R '^(text|passes|invalid)$'
    python3 /usr/lib/llvm-19/build/utils/lit/lit.py -v tests/passes --param quern=build/dev/bin/quern

Parameters: quern (the tool; default build/dev/bin/quern), build (where outputs go), features (what the build has,
separated by commas: llvm, tcc), llvm (the folder of FileCheck, not and mlir-opt).
"""
import os
import shutil

import lit.formats

root = os.path.dirname(os.path.abspath(__file__))


def parameter(name, default):
    return lit_config.params.get(name) or default


def find_llvm():
    for folder in ["/usr/lib/llvm-%d/bin" % v for v in (19, 20, 21, 18, 17, 16)]:
        if os.path.exists(os.path.join(folder, "FileCheck")):
            return folder
    found = shutil.which("FileCheck")
    if not found:
        lit_config.fatal("no FileCheck: install llvm-19-tools")
    return os.path.dirname(found)


build = parameter("build", os.path.join(os.path.dirname(root), "build", "dev"))
quern = os.path.abspath(parameter("quern", os.path.join(build, "bin", "quern")))
llvm = parameter("llvm", None) or find_llvm()
if not os.path.exists(quern):
    lit_config.fatal("no quern at %s: build it, or name it with --param quern=PATH" % quern)

config.name = "quern"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["unit", "exec", "conformance", "cross", "differential", "embed", "fuzz", "bench", "data", "Inputs"]
config.test_source_root = root
config.test_exec_root = os.path.join(build, "lit")

# Tests say `quern`: the tool's folder comes first in the path.
config.substitutions.append(("%data", os.path.join(root, "data")))
config.environment["PATH"] = os.pathsep.join([os.path.dirname(quern), llvm, os.environ.get("PATH", "/usr/bin:/bin")])
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS", "QUERN_VERBOSE"):
    if name in os.environ:
        config.environment[name] = os.environ[name]
config.environment["LC_ALL"] = "C.UTF-8"
config.environment["QUERN_CACHE"] = "off"

for feature in parameter("features", "").split(","):
    if feature:
        config.available_features.add(feature)
if os.path.exists(os.path.join(llvm, "mlir-opt")):
    config.available_features.add("mlir-opt")
