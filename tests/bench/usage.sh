#!/bin/sh
# run.sh with calls that are wrong, and its help: nothing is installed, built or measured.
set -eu
run=$(cd "$(dirname "$0")" && pwd)/run.sh
fail() { echo "usage.sh: $1" >&2; exit 1; }

# refused WORDS ARGUMENTS..: exit status 2, and the message holds WORDS.
refused() {
  words=$1
  shift
  status=0
  message=$("$run" "$@" 2>&1) || status=$?
  [ "$status" = 2 ] || fail "run.sh $*: exit status $status, expected 2"
  case "$message" in
    *"$words"*) ;;
    *) fail "run.sh $*: '$message' does not say '$words'" ;;
  esac
}

"$run" --help | grep -q -e '--shapes FILE' || fail "--help does not tell about --shapes"
refused "unknown option --fast" --fast
refused "unknown option --fast" --json out.json --fast
refused "missing after --json" --json
refused "name a file" --json -
refused "missing after --shapes" --quick --shapes
refused "no folder '/no/such/prefix'" --ggml /no/such/prefix
refused "no include/ggml.h" --ggml "$(dirname "$0")"
refused "--threads takes 1 to 64, not 0" --threads 0
refused "--threads takes 1 to 64, not two" --threads two
refused "--tuning: no file '/no/such/tuning.txt'" --tuning /no/such/tuning.txt
refused "no file '/no/such/shapes.txt'" --shapes /no/such/shapes.txt
echo "run.sh refuses what it should"
