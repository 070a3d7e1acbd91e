#!/bin/sh
# A program outside the tree, against what `make install` installs: in C11 through pkg-config (shared and
# static), in C++17 through the CMake package.
set -eu
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >/dev/null
pc=$(find "$work/prefix" -name graft.pc)
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH="$(dirname "$pc")"
flags="--define-variable=prefix=$work/prefix"
gcc -std=c11 -Wall -Wextra -Werror -o "$work/in-c" "$source/tests/outside/outside.c" $(pkg-config $flags --cflags --libs graft)
LD_LIBRARY_PATH=$lib "$work/in-c"
gcc -std=c11 -Wall -Wextra -Werror -o "$work/augmentation" "$source/examples/augmentation.c" \
    $(pkg-config $flags --cflags --libs graft libpng)
gcc -std=c11 -Wall -Wextra -Werror -o "$work/in-c-static" "$source/tests/outside/outside.c" $(pkg-config $flags --cflags graft) \
    "$lib/libgraft.a" $(pkg-config $flags --static --libs graft | sed 's/-lgraft//')
"$work/in-c-static"
cp "$source/tests/outside/outside.c" "$work/outside.cpp"
cp "$source/tests/outside/CMakeLists.txt" "$work/"
cmake -S "$work" -B "$work/build" -Dgraft_DIR="$lib/cmake/graft" >/dev/null
cmake --build "$work/build" >/dev/null
LD_LIBRARY_PATH=$lib "$work/build/outside"
"$work/build/outside_static"
"$work/prefix/bin/graft" --version
