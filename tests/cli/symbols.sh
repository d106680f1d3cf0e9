#!/bin/sh
# Machine code by name in gdb and perf: symbols.sh QUERN ENGINE. perf's map and jitdump are read as files; gdb and perf
# themselves are used where they are installed and work.
set -u
export ASAN_OPTIONS="${ASAN_OPTIONS:-intercept_tls_get_addr=0}"
quern=$1 engine=$2
tmp=$(mktemp -d)
export QUERN_CACHE="$tmp/cache" # filled by the first run: code from there has names as well
map=
trap 'rm -rf "$tmp" $map' EXIT
fail() {
  echo "symbols: $engine: $*" >&2
  exit 1
}
bench="bench --matmul 20x70x50:u8s8 --engine $engine --seconds 0.3"

# shellcheck disable=SC2086
QUERN_SYMBOLS=perf-map,jitdump JITDUMPDIR=$tmp "$quern" $bench >"$tmp/out" 2>&1 &
pid=$!
map=/tmp/perf-$pid.map
wait $pid || fail "bench failed: $(cat "$tmp/out")"
grep -Eq '^[0-9a-f]+ [0-9a-f]+ gemm_ui8_i8_ui8_[0-9a-f]+_t[0-9]+$' "$map" || fail "no gemm in perf's map"
[ "$(head -c 4 "$tmp/jit-$pid.dump")" = DTiJ ] || fail "no head in the jitdump file"
grep -aq 'gemm_ui8_i8_ui8_' "$tmp/jit-$pid.dump" || fail "no gemm in the jitdump file"
name=$(grep -Eo 'gemm_ui8_i8_ui8_[0-9a-f]+_t[0-9]+$' "$map" | head -1)

# Without being asked for, nothing is written.
# shellcheck disable=SC2086
"$quern" $bench >/dev/null 2>&1 &
pid=$!
wait $pid || fail "bench failed"
[ ! -e /tmp/perf-$pid.map ] || fail "a map that nobody asked for"
# A folder that cannot be written does no harm.
# shellcheck disable=SC2086
QUERN_SYMBOLS=jitdump JITDUMPDIR=$tmp/nowhere "$quern" $bench >/dev/null 2>&1 || fail "bench failed without its dump"

if command -v gdb >/dev/null; then
  # shellcheck disable=SC2086
  QUERN_SYMBOLS=gdb timeout 100 gdb -q -batch -nx -ex 'set breakpoint pending on' -ex "break $name" -ex run -ex bt \
    --args "$quern" $bench >"$tmp/gdb" 2>&1
  if grep -q 'ptrace: Operation not permitted\|Could not trace' "$tmp/gdb"; then
    echo "symbols: gdb may not trace here: passed over"
  else
    grep -q "^#0 .* in $name" "$tmp/gdb" || fail "gdb did not stop in $name: $(tail -5 "$tmp/gdb")"
  fi
else
  echo "symbols: no gdb: passed over"
fi

if command -v perf >/dev/null && perf record -q -e cpu-clock -o "$tmp/try" true >/dev/null 2>&1; then
  # shellcheck disable=SC2086
  QUERN_SYMBOLS=perf-map perf record -q -e cpu-clock -o "$tmp/perf" "$quern" $bench >/dev/null 2>&1
  perf report -i "$tmp/perf" --stdio 2>/dev/null | grep -q 'gemm_ui8_i8_ui8_' || fail "perf report names no gemm"
  rm -f "/tmp/perf-$(perf script -i "$tmp/perf" -F pid 2>/dev/null | head -1 | tr -d ' ').map"
else
  echo "symbols: no perf that works: passed over"
fi
