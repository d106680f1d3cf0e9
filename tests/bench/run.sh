#!/bin/sh
# Quern beside other libraries and the machine's limits: installs what it compares with, builds, checks, measures.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)

usage() {
  cat <<'END'
usage: tests/bench/run.sh [options]
Installs Debian's oneDNN, XNNPACK and LIBXSMM, builds the release, and measures Quern and them in turns, in one process,
after Quern's results have been checked against its interpreter. Prints a line per shape with ratio (the other's time /
ours), median and spread of the rounds' ratios and our time, then geometric mean, median and minimum per kind of work.

  --json OUT            also writes OUT: ratios[] of work, shape, peer, ratio, us (our time), and the machine
  --shapes FILE         only the u8 x s8 rows, over FILE's lines 'M N K' (# starts a comment)
  --only ROW,..         only these rows; --list names them
  --list                the rows, and nothing is measured
  --quick               a third of the time and fewer shapes
  --threads N           threads for the rows that are not about threads (default 1); limits are those of one
  --tuning FILE         Quern follows a tuning file ('quern help bench')
  --cpu NAME            Quern compiles for this instruction set ('quern isa' lists them), and oneDNN and LIBXSMM keep
                        to it; limits are those of its instructions. XNNPACK, ONNX Runtime and ggml take what the
                        machine has, and the row setup is the machine's own
  --onnxruntime         also against ONNX Runtime, from PyPI into a virtual environment in build/bench-python
  --ggml PREFIX         also against ggml: a prefix with its include/ and lib/, built by you for this machine
  --no-install          installs nothing; peers that are not here take no part

Exit status: 0 when everything was measured, whatever the figures; 1 when a result was wrong, the build failed, or a file
could not be read or written; 2 when the call is wrong.
END
}
bad() { echo "run.sh: $1; --help lists the options" >&2; exit 2; }

install=yes python= ggml= list=
set -- "$@" --end-of-options
while [ "$1" != --end-of-options ]; do
  case "$1" in
    --json | --shapes | --only | --threads | --tuning | --cpu)
      [ "$2" != --end-of-options ] || bad "a value is missing after $1"
      case "$1" in
        --threads)
          case "$2" in
            [1-9] | [1-5][0-9] | 6[0-4]) ;;
            *) bad "--threads takes 1 to 64, not $2" ;;
          esac ;;
        --json) [ "$2" != - ] || bad "--json: the table goes to standard output, name a file" ;;
        --tuning) [ -e "$2" ] || bad "--tuning: no file '$2'" ;;
        --shapes) [ "$2" = - ] || [ -e "$2" ] || bad "--shapes: no file '$2'" ;;
      esac
      set -- "$@" "$1" "$2"
      shift 2 ;;
    --ggml)
      [ "$2" != --end-of-options ] || bad "a value is missing after $1"
      ggml=$(cd "$2" 2>/dev/null && pwd) || bad "--ggml: no folder '$2'"
      [ -f "$ggml/include/ggml.h" ] || bad "--ggml: no include/ggml.h in '$2'"
      shift 2 ;;
    --quick) set -- "$@" "$1"; shift ;;
    --onnxruntime) python=yes; shift ;;
    --no-install) install=no; shift ;;
    --list) list=yes; shift ;;
    -h | --help) usage; exit 0 ;;
    *) bad "unknown option $1" ;;
  esac
done
shift

if [ "$install" = yes ]; then
  "$root/tools/install-deps.sh" build
  "$root/tools/install-deps.sh" bench
fi
mkdir -p "$root/build"
log=$root/build/bench-build.log
(cd "$root" && cmake --preset release -DQUERN_BENCH=ON -DQUERN_BENCH_GGML="$ggml" &&
  cmake --build --preset release --target quern-bench-peers quern_tool) >"$log" 2>&1 || {
  tail -20 "$log" >&2
  echo "run.sh: the build failed; $log has it all" >&2
  exit 1
}
bench=$root/build/release/bin/quern-bench-peers
if [ -n "$list" ]; then exec "$bench" --list; fi
if [ -n "$python" ]; then
  env=$root/build/bench-python
  [ -x "$env/bin/python" ] || python3 -m venv "$env" || {
    echo "run.sh: python3 -m venv failed; Debian has it in python3-venv" >&2
    exit 1
  }
  "$env/bin/python" -c 'import onnxruntime' 2>/dev/null || "$env/bin/pip" install --quiet onnxruntime || {
    echo "run.sh: pip could not install onnxruntime" >&2
    exit 1
  }
  library=$(find "$env"/lib/python3*/site-packages/onnxruntime/capi -name 'libonnxruntime.so.*' | head -1)
  [ -n "$library" ] || { echo "run.sh: this onnxruntime package has no libonnxruntime.so" >&2; exit 1; }
  set -- "$@" --onnxruntime "$library"
fi
# Other libraries' threads wait asleep, so that they do not take time from whoever is measured next.
OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0 exec "$bench" --tool "$root/build/release/bin/quern" "$@"
