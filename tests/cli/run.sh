#!/bin/sh
# The command line with bad input, bad output and bad calls: run.sh QUERN [ENGINE..], the engines that are built in.
#
# Each case says the exit code and a part of the message, which must name a place. Whatever fails must leave no file
# behind and replace nothing.
set -u
# What gcc's leak checker takes for thread-local memory of libLLVM is none, and it falls over it.
export ASAN_OPTIONS="${ASAN_OPTIONS:-intercept_tls_get_addr=0}"
export QUERN_CACHE=off
here=$(cd "$(dirname "$0")" && pwd)
quern=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
kinds= save=
for engine in "$@"; do
  [ "$engine" != tcc ] || kinds="$kinds c" save=yes
  [ "$engine" != llvm ] || kinds="$kinds obj asm llvm so" save=yes
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/in" "$tmp/out"
python3 "$here/files.py" "$tmp/in" || exit 1
in=$tmp/in
data=$here/../data
cd "$tmp/out"
cases=0 bad=0

complain() {
  bad=$((bad + 1))
  echo "case $cases: $1" >&2
  shift
  echo "  \$ quern $*" >&2
  sed 's/^/  | /' "$tmp/err" >&2
}

# Code of `quern ARGS`, its messages in $tmp/err. More than a status of a program that ended by itself is a crash.
call() {
  cases=$((cases + 1))
  "$quern" "$@" >"$tmp/std" 2>"$tmp/err" </dev/null
  code=$?
  if [ $code -gt 2 ] || grep -q 'Sanitizer\|runtime error:' "$tmp/err"; then complain "crashed with $code" "$@"; fi
}

# fails CODE MESSAGE ARGS..: that code, that message (a fixed string), and the folder as it was.
fails() {
  want=$1 message=$2
  shift 2
  before=$(ls -lA --time-style=full-iso)
  call "$@"
  [ $code = "$want" ] || complain "exit code $code, expected $want" "$@"
  grep -qF -- "$message" "$tmp/err" || complain "no message with '$message'" "$@"
  [ "$want" = 2 ] || grep -q 'error: ' "$tmp/err" || complain "no line that says error" "$@"
  [ "$before" = "$(ls -lA --time-style=full-iso)" ] || complain "the folder has changed: $(ls -A)" "$@"
}

works() {
  call "$@"
  [ $code = 0 ] || complain "exit code $code, expected 0" "$@"
}

cat >"$in/good.mlir" <<END
func.func @main(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = arith.constant dense<[[0.5, 1.0], [0.25, -1.0], [2.0, 0.5], [-0.5, 0.125]]> : tensor<4x2xf32>
  %y = quern.matmul %x, %w : (tensor<?x4xf32>, tensor<4x2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
END

# ---- calls that are wrong ----
fails 2 "no command 'fly'" fly
fails 2 "no option --fast" opt "$in/good.mlir" --fast
fails 2 "-o needs a value" opt "$in/good.mlir" -o
fails 2 "usage: quern opt" opt
fails 2 "one argument too many" opt "$in/good.mlir" "$in/good.mlir"
fails 2 "is no integer" run "$in/good.mlir" --threads many
fails 2 "--threads must be" run "$in/good.mlir" --threads 0
fails 2 "no number" qparams --min low --max 1
fails 2 "is not MxNxK" bench --matmul 0x4x4:u8s8
fails 2 "no types" bench --matmul 4x4x4:u9s9
fails 2 "is not HxWxC" bench --conv 8x8x8:3x3:u8s8
fails 2 "is not HxWxC" bench --conv 8x8x8:3x3x8q1:u8s8
fails 2 "no types" bench --conv 8x8x8:3x3x8p1:u9s9
fails 1 "cut into the groups" bench --conv 8x8x8:3x3x8g3:u8s8

# ---- text: the lit tests beside this have the messages; here the exit code and what is left ----
for f in "$here"/../invalid/*.mlir; do
  call opt "$f" -o out.mlir
  [ $code = 1 ] || ! grep -q 'RUN: not quern opt %s' "$f" || complain "exit code $code, expected 1" opt "$f"
  [ $code = 0 ] || [ -z "$(ls -A)" ] || complain "left $(ls -A)" opt "$f"
  rm -f ./*
done
fails 1 "no-such.mlir: error: " opt "$in/no-such.mlir" -o out.mlir
fails 1 "error: " opt "$in" -o out.mlir
fails 1 "error: " inspect "$in/samples.npz"

# ---- arrays ----
fails 1 "input 'x'" run "$in/good.mlir" -o .
fails 1 "no input 'z'" run "$in/good.mlir" --input "z=$in/x.npy" -o .
fails 1 "f64" run "$in/good.mlir" --input "x=$in/double.npy" -o .
fails 1 "x" run "$in/good.mlir" --input "x=$in/wide.npy" -o .
for f in cut header_cut magic version object negative huge deep syntax header_long empty; do
  fails 1 "$f.npy: error: " run "$in/good.mlir" --input "x=$in/$f.npy" -o .
done
fails 1 "missing.npy: error: " run "$in/good.mlir" --input "x=$in/missing.npy" -o .
for f in cut inside bomb damaged; do
  fails 1 "$f.npz: error: " run "$in/good.mlir" --input "$in/$f.npz" -o .
  fails 1 "$f.npz: error: " quantize "$in/good.mlir" --data "$in/$f.npz" -o out.mlir
done
for f in no_file cut header json deep dtype offsets outside overlap twice no_tensor shape type; do
  fails 1 "st_$f." opt "$in/st_$f.mlir" -o out.mlir
done

# ---- calibration ----
for command in calibrate quantize; do
  fails 1 "'x'" $command "$in/good.mlir" --data "$in/other.npz" -o out.mlir
  fails 1 "NaN" $command "$in/good.mlir" --data "$in/nan.npz" -o out.mlir
  fails 1 "inf" $command "$in/good.mlir" --data "$in/inf.npz" -o out.mlir
  fails 1 "sample" $command "$in/good.mlir" --data "$in/none.npz" -o out.mlir
  fails 1 "x" $command "$in/good.mlir" --data "$in/ragged.npz" -o out.mlir
done
fails 2 "'guess' is not" calibrate "$in/good.mlir" --data "$in/samples.npz" --observer guess -o out.mlir
fails 2 "'w1a1' is not" quantize "$in/good.mlir" --data "$in/samples.npz" --scheme w1a1 -o out.mlir
fails 1 "w8a8-group" quantize "$in/good.mlir" --data "$in/samples.npz" --scheme w8a8-group -o out.mlir
works quantize "$in/good.mlir" --data "$in/samples.npz" --scheme w4a8 -o "$in/w4a8.mlir"
fails 2 "--matmul" bench --matmul 1x64x64:f32i4b12
fails 2 "--matmul" bench --matmul 1x64x64:f32i4b32x
fails 1 "layer" quantize "$in/bias.onnx" --data "$in/samples.npz" -o out.mlir
fails 1 "'first' (Einsum)" import "$in/unsupported.onnx" -o out.mlir
grep -qF "'second' (Loop)" "$tmp/err" || complain "the second node is not named" import unsupported.onnx
works calibrate "$in/good.mlir" --data "$in/samples.npz" -o "$in/calibrated.mlir"
works calibrate "$in/model.onnx" --data "$in/samples.npz" -o "$in/another.mlir"
fails 1 "error: " calibrate --merge "$in/calibrated.mlir" "$in/another.mlir" -o out.mlir

# ---- outputs ----
works quantize "$in/model.onnx" --data "$in/samples.npz" -o "$in/int8.mlir"

# each OUTPUT: every command that writes a file, with that output and the rest of its arguments
each() {
  check=$1 output=$2
  shift 2
  $check "$@" import "$data/digits.onnx" -o "$output"
  $check "$@" opt "$in/good.mlir" -p canonicalize -o "$output"
  $check "$@" calibrate "$in/good.mlir" --data "$in/samples.npz" -o "$output"
  $check "$@" quantize "$in/model.onnx" --data "$in/samples.npz" -o "$output"
  for kind in $kinds; do $check "$@" compile "$in/int8.mlir" --dim n=2 --emit $kind -o "$output"; done
  [ -z "$save" ] || $check "$@" compile "$in/int8.mlir" --save -o "$output"
  for file in dot svg html; do $check "$@" inspect "$in/int8.mlir" --$file "$output"; done
}

works quantize "$in/model.onnx" --data "$in/samples.npz" -o int8.mlir --report report.html
grep -q '^<tr><td>' report.html || complain "no rows" "quantize --report"
works quantize "$in/model.onnx" --data "$in/samples.npz" -o int8.mlir --report report.json
python3 -c 'import json; r = json.load(open("report.json")); exit(not (r["outputs"][0]["sqnr_db"] > 20 and r["before"]["constant_bytes"] > r["after"]["constant_bytes"]))' || complain "not what is expected" "quantize --report report.json"
works quantize "$in/model.onnx" --scheme w8a8-dynamic -o int8.mlir --report report.html
grep -q 'Without samples' report.html || complain "says nothing" "quantize --report without samples"
rm -f int8.* report.*

mkdir folder
fails 1 "folder: error: " quantize "$in/model.onnx" --data "$in/samples.npz" -o int8.mlir --report folder
[ ! -e int8.mlir ] || complain "a program without its report" "quantize --report folder"
each fails folder 1 "folder: error: "
each fails no/such 1 "No such file or directory"
for kind in $kinds; do
  fails 1 "folder: error: " compile "$in/int8.mlir" --dim n=2 --emit $kind -o code --header folder
  fails 1 "code.h: error: the code and its header are to be the same file" compile "$in/int8.mlir" --dim n=2 --emit $kind -o code.h --header code.h
  fails 1 "entry name 'register' is no C identifier" compile "$in/int8.mlir" --dim n=2 --emit $kind -o code --entry register
  fails 1 "folder: error: " compile "$in/int8.mlir" --dim n=2 --emit $kind -o folder --header code.h
done
fails 1 "folder: error: " calibrate --merge "$in/calibrated.mlir" "$in/calibrated.mlir" -o folder
rmdir folder

# A disk that is full, and a device that takes everything: written through, never replaced.
full=/dev/full null=/dev/null
mknod "$tmp/full" c 1 7 2>/dev/null && (: >"$tmp/full") 2>/dev/null && full=$tmp/full
mknod "$tmp/null" c 1 3 2>/dev/null && (: >"$tmp/null") 2>/dev/null && null=$tmp/null
each fails "$full" 1 "No space left"
each works "$null"
[ -c "$full" ] && [ -c "$null" ] && [ ! -e "$full.h" ] && [ ! -e "$null.h" ] || complain "a device has been replaced, or has a header beside it" "-o $full"
for arguments in "opt $in/good.mlir" "ops" "inspect $in/good.mlir --json" "help opt"; do
  cases=$((cases + 1))
  "$quern" $arguments >"$full" 2>"$tmp/err"
  [ $? = 1 ] && grep -q 'error: ' "$tmp/err" || complain "standard output is full, and not a word of it" "$arguments"
done

echo file >file
fails 1 "file/y.npy: error: " run "$in/good.mlir" --input "x=$in/x.npy" -o file
rm file

mkfifo pipe
cat pipe >"$tmp/got" &
works opt "$in/good.mlir" -o pipe
wait
[ -p pipe ] && grep -q func.func "$tmp/got" || complain "the pipe has been replaced, or got nothing" opt good.mlir -o pipe
rm pipe

# A link stays a link; the file it names is replaced.
echo old >target
ln -s target link
works opt "$in/good.mlir" -o link
[ -L link ] && grep -q func.func target || complain "the link has been replaced" opt good.mlir -o link
rm link target

# Files that may not grow beyond a block: what was there stays, with its weights; nothing else appears.
echo keep >out.mlir
echo keep >out.safetensors
before=$(ls -lA --time-style=full-iso)
for arguments in "import $data/digits.onnx" "quantize $data/digits.onnx --data $data/digits-calib.npz"; do
  cases=$((cases + 1))
  (trap '' XFSZ; ulimit -f 1; exec "$quern" $arguments -o out.mlir) >"$tmp/std" 2>"$tmp/err"
  code=$?
  [ $code = 1 ] || complain "exit code $code, expected 1" "$arguments"
  grep -q 'out.*error: .*File too large' "$tmp/err" || complain "no message" "$arguments"
  [ "$before" = "$(ls -lA --time-style=full-iso)" ] || complain "the folder has changed: $(ls -A)" "$arguments"
done
rm out.mlir out.safetensors

# ---- saved programs ----
if [ -n "$save" ]; then
  works compile "$in/int8.mlir" --save -o "$in/int8.qprog"
  works run "$in/int8.qprog" --input "x=$in/x.npy" -o results
  rm -r results
  size=$(wc -c <"$in/int8.qprog")
  for n in 7 8 20 $((size / 2)) $((size - 100)); do
    head -c "$n" "$in/int8.qprog" >"$in/cut.qprog"
    fails 1 "cut.qprog" run "$in/cut.qprog" --input "x=$in/x.npy" -o .
  done
  for n in 9 40 100 200 $((size / 2)); do
    { head -c "$n" "$in/int8.qprog"
      tail -c +$((n + 1)) "$in/int8.qprog" | head -c 1 | LC_ALL=C tr '\000-\377' '\001-\377\000'
      tail -c +$((n + 2)) "$in/int8.qprog"; } >"$in/cut.qprog"
    fails 1 "cut.qprog" run "$in/cut.qprog" --input "x=$in/x.npy" -o .
  done
fi

# ---- machine code kept between runs ----
case $kinds in *obj*)
  export QUERN_CACHE="$tmp/cache/here"
  works run "$in/int8.mlir" --engine llvm --input "x=$in/x.npy" -o results --no-cache
  [ ! -e "$tmp/cache" ] || complain "--no-cache made a folder" run
  works run "$in/int8.mlir" --engine llvm --input "x=$in/x.npy" -o results
  ls "$tmp/cache/here" | grep -q '^[0-9a-f]*\.qnb$' || complain "nothing is kept" run
  works run "$in/int8.mlir" --engine llvm --input "x=$in/x.npy" -o results
  for f in "$tmp/cache/here"/*; do echo damaged >"$f"; done
  works run "$in/int8.mlir" --engine llvm --input "x=$in/x.npy" -o results
  QUERN_CACHE="$in/int8.mlir" works run "$in/int8.mlir" --engine llvm --input "x=$in/x.npy" -o results
  export QUERN_CACHE=off
  rm -r results ;;
esac

# ---- names that are no file names, and that would be the same one ----
cat >"$in/names.mlir" <<END
func.func @main(%x: tensor<2x4xf32>) -> (tensor<2x4xf32> {quern.name = "a/b"}, tensor<2x4xf32> {quern.name = "a_b"},
    tensor<2x4xf32> {quern.name = ""}, tensor<2x4xf32> {quern.name = "a_b"}, tensor<2x4xf32> {quern.name = "\FF"}) {
  return %x, %x, %x, %x, %x : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}
END
works run "$in/names.mlir" --engine interp --input "x=$in/x.npy" -o results
[ "$(ls results | wc -l)" = 5 ] && [ -e results/a_b.npy ] || complain "outputs share files: $(ls results)" "run names.mlir"
rm -r results
works inspect "$in/names.mlir" --json
python3 -c 'import json, sys; json.loads(sys.stdin.buffer.read().decode())' <"$tmp/std" || complain "no JSON" "inspect --json"
fails 1 "input 'x' is given twice" run "$in/names.mlir" --engine interp --input "x=$in/x.npy" --input "x=$in/x.npy" -o .

# ---- seeing: events as a table, kernels, the roofline ----
if [ -n "$save" ]; then
  QUERN_VERBOSE=csv works run "$in/int8.mlir" --input "x=$in/x.npy" -o results
  head -1 "$tmp/err" | grep -q '^event,kernel,op,shape' || complain "no columns" "QUERN_VERBOSE=csv run"
  grep -q '^kernel,gemm_' "$tmp/err" && grep -q '^compiled,gemm_' "$tmp/err" || complain "nothing made" "QUERN_VERBOSE=csv run"
  grep -q '^step,gemm_' "$tmp/err" && grep -q '^call,' "$tmp/err" || complain "no events" "QUERN_VERBOSE=csv run"
  QUERN_SYMBOLS=gdb,ltrace works run "$in/int8.mlir" --input "x=$in/x.npy" -o results
  grep -q "warning: QUERN_SYMBOLS has 'ltrace'" "$tmp/err" || complain "no warning" "QUERN_SYMBOLS=gdb,ltrace run"
  rm -r results
fi
case $kinds in *obj*)
  QUERN_VERBOSE=1 works run "$in/int8.mlir" --engine llvm --input "x=$in/x.npy" -o results
  sed '/: kern.gemm /,$d' "$tmp/err" | grep -q ': body gemm_' || complain "a call that waits for its code is timed" "QUERN_VERBOSE=1 run"
  rm -r results
  works bench --matmul 2x8x32:bf16i4b32f --seconds 0.01
  works bench --matmul 4x8x16:u8s8 --seconds 0.01 --kernels --roofline roof.svg
  works bench --matmul 4x8x16:u8s8 --seconds 0.01 --kernels --json
  python3 -c 'import json, sys; k = json.load(sys.stdin)["kernels"]; assert k[0]["shape"] == "4x8x16", k' <"$tmp/std" ||
    complain "no kernels" "bench --kernels --json"
  works bench --peak --json
  python3 -c 'import json, sys; b = json.load(sys.stdin); p = b["peaks"]; assert p[0]["name"] == "int8" and p[0]["gops"] <= b["peak_gops"], b' \
    <"$tmp/std" || complain "no peaks" "bench --peak --json"
  works bench --matmul 64x64x64:u8s8 --seconds 0.01 --json
  python3 -c 'import json, sys; b = json.load(sys.stdin); assert b["instructions"] and b["fraction"] > 0, b' <"$tmp/std" ||
    complain "no peak" "bench --matmul --json"
  fails 2 "sizes of 1 to 1048576" bench --matmul 4x8x1048577:u8s8
  works bench --conv 6x7x8:3x3x8s2p1g8:u8s8 --seconds 0.01 --kernels
  works bench --conv 6x7x4:2x3x5d2:f32 --seconds 0.01
  grep -q '^<svg' roof.svg && grep -q '<circle' roof.svg || complain "no picture" "bench --roofline"
  fails 1 "nowhere" bench --matmul 4x8x16:u8s8 --seconds 0.01 --roofline nowhere/roof.svg
  rm roof.svg ;;
esac

# ---- tuning files ----
printf 'version = 1\nkept_bytes = many\n' >"$in/bad-tuning.txt"
printf 'version = 1\ncpu = another\nkept_bytes = 65536\n' >"$in/other-tuning.txt"
fails 1 "bad-tuning.txt:2:14: error: kept_bytes is 'many'" opt "$in/good.mlir" -p dce --tuning "$in/bad-tuning.txt"
QUERN_TUNING="$in/bad-tuning.txt" fails 1 "bad-tuning.txt:2:14" opt "$in/good.mlir" -p dce
fails 1 "no-tuning.txt" opt "$in/good.mlir" -p dce --tuning "$in/no-tuning.txt"
fails 1 "no cache folder" opt "$in/good.mlir" -p dce --tuning auto
fails 2 "a model, --matmul, --conv, --peak or --machine is needed" bench --tune
works opt "$in/good.mlir" -p dce --tuning "$in/other-tuning.txt"
grep -q "other-tuning.txt:2:7: warning: measured on 'another'" "$tmp/err" || complain "no warning" "opt --tuning"
case $kinds in *obj*)
  fails 2 "not of interp" bench --matmul 4x16x16:u8s8 --tune --engine interp
  fails 1 "nowhere" bench --matmul 4x16x16:u8s8 --tune --tune-file nowhere/t.txt
  fails 1 "goes into another file" bench --matmul 4x16x16:u8s8 --tune --tune-file "$in/other-tuning.txt"
  : >t.txt # as mktemp leaves it
  works bench --matmul 4x32x16:u8s8 --seconds 0.01 --tune --tune-seconds 0.002 --tune-file t.txt
  grep -q '^version = 1' t.txt && grep -q '^cpu = ' t.txt || complain "no tuning file" "bench --tune"
  printf 'gemm isa=avx2 types=ui8,i8,i32 m=* n=2 k=4 : rows=2\n' >>t.txt
  works bench --matmul 4x32x16:u8s8 --seconds 0.01 --tune --tune-seconds 0.002 --tune-file t.txt
  grep -q 'm=[*] n=2 k=4 : rows=2' t.txt || complain "what the file had is lost" "bench --tune"
  works compile "$in/int8.mlir" --dim n=2 --cpu avx2 --emit obj -o t.o --tuning t.txt
  works run "$in/int8.mlir" --input "x=$in/x.npy" -o results --tuning t.txt
  rm -r results t.txt t.o ;;
esac

echo "$cases cases, $bad bad"
[ $bad = 0 ]
