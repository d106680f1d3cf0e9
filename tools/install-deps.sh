#!/bin/sh
# Installs the Debian packages that Quern needs: install-deps.sh build | test | bench
# Packages that are present already are skipped without a word.
set -eu

build="gcc g++ libc6-dev make cmake ninja-build pkg-config binutils
  llvm-19-dev libtcc-dev libprotobuf-c-dev protobuf-c-compiler libonnx-dev libpthreadpool-dev libdlpack-dev
  libxxhash-dev libcjson-dev libzip-dev"
test="libcmocka-dev llvm-19-tools mlir-19-tools libonnx-testdata clang-19 libclang-rt-19-dev lld-19 qemu-user clang-format
  python3 git"
bench="libdnnl-dev libxnnpack-dev libxsmm-dev" # what tests/bench/run.sh compares with

case "${1:-build}" in
  build) want=$build ;;
  test) want="$build $test" ;;
  bench) want=$bench ;;
  *) echo "usage: install-deps.sh build | test | bench" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "install-deps.sh: no dpkg here; install by hand what these Debian packages hold:" $want >&2
  exit 1
fi
missing=
for package in $want; do
  case "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)" in
    *" installed") ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  if command -v sudo >/dev/null; then
    as_root=sudo
  else
    echo "install-deps.sh: not root, and there is no sudo; run as root: apt-get install -y$missing" >&2
    exit 1
  fi
fi
echo "installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >"$log" 2>&1
}
# Package lists may be absent or old: refresh them once when the first try fails.
install || { $as_root apt-get update >/dev/null 2>&1 && install; } || {
  tail -5 "$log" >&2
  echo "install-deps.sh: apt-get could not install:$missing" >&2
  exit 1
}
