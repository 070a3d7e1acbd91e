#!/bin/sh
# clang-format 14 has nothing to change.
cd "$1" || exit 1
find src include tests fuzz examples bench -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror
