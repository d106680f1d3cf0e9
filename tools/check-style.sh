#!/bin/sh
# The rules of the house that a program can check: formatting, file length, where allocation and foreign headers may
# be. check-style.sh [--tidy] adds clang-tidy, over the development build's compile commands.
set -eu
cd "$(dirname "$0")/.."
bad=0
fail() { echo "check-style.sh: $1"; bad=1; }

sources=$(git ls-files -- '*.c' '*.h' | grep -v '^tests/data/')
# Debian 12's own version: others break some lines elsewhere.
format=$(command -v clang-format-14 || command -v clang-format || true)
if [ -n "$format" ]; then
  # shellcheck disable=SC2086
  unformatted=$("$format" --dry-run $sources 2>&1 | grep -o '^[^:]*:[0-9]*' | cut -d: -f1 | sort -u || true)
  [ -z "$unformatted" ] || fail "not formatted (clang-format -i): $unformatted"
else
  echo "check-style.sh: clang-format is not installed; formatting is not checked"
fi

for f in $(git ls-files -- '*.c' '*.h' '*.def'); do
  [ "$(wc -l <"$f")" -le 600 ] || fail "$f has more than 600 lines"
done
allocating=$(grep -nE '(^|[^a-zA-Z0-9_>.])(malloc|calloc|realloc)\(' -r lib passes --include='*.c' | grep -v '^lib/base/' || true)
[ -z "$allocating" ] || fail "allocation outside lib/base: $allocating"
leaving=$(grep -nE '(^|[^a-zA-Z0-9_>.])(exit|abort|printf|puts)\(' -r lib passes --include='*.c' || true)
[ -z "$leaving" ] || fail "the library exits or prints: $leaving"
foreign=$(grep -nE '#include *<(llvm-c/|libtcc)' -r lib passes tools include --include='*.[ch]' | grep -vE '^lib/(llvm|tcc)/' || true)
[ -z "$foreign" ] || fail "a code generator's header outside its folder: $foreign"

if [ "${1:-}" = --tidy ]; then
  tidy=$(command -v clang-tidy-14 || command -v clang-tidy) || { echo "check-style.sh: no clang-tidy"; exit 1; }
  git ls-files -- 'lib/*.c' 'passes/*.c' 'tools/*.c' | xargs -P "$(nproc)" -n 1 "$tidy" -p build/dev --quiet || bad=1
fi
exit $bad
