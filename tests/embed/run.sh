#!/bin/sh
# Installs a build into a temporary prefix and uses it as a stranger would: run.sh BUILD_DIR
set -eu
build=$1
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cmake --install "$build" --prefix "$tmp/prefix" >/dev/null
lib=$(dirname "$(find "$tmp/prefix" -name quern.pc)")/..
export PKG_CONFIG_PATH="$lib/pkgconfig"

# Each public header stands alone, in both languages.
for header in $(cd "$tmp/prefix/include" && find quern -name '*.h'); do
  echo "#include <$header>" | cc -std=c11 -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags quern) -x c -
  echo "#include <$header>" | c++ -std=c++17 -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags quern) -x c++ -
done

cc -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -ffp-contract=off "$here/embed.c" -o "$tmp/embed-c" $(pkg-config --cflags --libs quern) -lpthread -lm -Wl,-rpath,"$lib"
c++ -std=c++17 -Wall -Wextra -Werror -ffp-contract=off -x c++ "$here/embed.c" -x none -o "$tmp/embed-cpp" $(pkg-config --cflags --libs quern) -lpthread -lm -Wl,-rpath,"$lib"
cc -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -ffp-contract=off "$here/embed.c" -o "$tmp/embed-static" $(pkg-config --cflags quern) "$lib/libquern.a" $(pkg-config --static --libs-only-l quern | sed 's/-lquern//')
cc -std=gnu11 -Wall -Wextra -Werror "$here/dlopen.c" -o "$tmp/dlopen" $(pkg-config --cflags quern) -ldl
"$tmp/embed-c" "$tmp"
"$tmp/embed-cpp" "$tmp"
# A static libquern has no place of its own to look for the LLVM module beside.
QUERN_LLVM_MODULE="$lib/quern/quern-llvm.so" "$tmp/embed-static" "$tmp"
"$tmp/dlopen" "$lib/libquern.so"

# The same through the CMake package.
mkdir "$tmp/project"
cat >"$tmp/project/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.20)
project(user C)
find_package(quern REQUIRED)
add_executable(user $here/embed.c)
target_compile_definitions(user PRIVATE _POSIX_C_SOURCE=200809L)
target_compile_options(user PRIVATE -ffp-contract=off)
target_link_libraries(user PRIVATE quern::quern m pthread)
END
cmake -S "$tmp/project" -B "$tmp/project/build" -DCMAKE_PREFIX_PATH="$tmp/prefix" >/dev/null
cmake --build "$tmp/project/build" >/dev/null
"$tmp/project/build/user" "$tmp"

# libquern exports qn_* only and does not link LLVM.
others=$(nm -D --defined-only "$lib/libquern.so" | awk '$2 ~ /[TDBRVW]/ {print $3}' | sed 's/@.*//' | grep -v '^qn_' | grep -v '^QUERN_' || true)
[ -z "$others" ] || { echo "libquern.so exports:" $others; exit 1; }
if readelf -d "$lib/libquern.so" "$tmp/prefix/bin/quern" | grep -q 'NEEDED.*LLVM'; then echo "libquern links LLVM"; exit 1; fi
if readelf -d "$lib/libquern.so" | grep -q TEXTREL; then echo "libquern.so has text relocations"; exit 1; fi
echo "installed, embedded, dlopened"
