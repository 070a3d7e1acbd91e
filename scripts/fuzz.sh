#!/bin/sh
# fuzz.sh BUILD SECONDS: runs every fuzz target for so long, from the corpus in the source tree.
set -eu
build=$1 seconds=$2
for target in "$build"/fuzz/fuzz_*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    name=$(basename "$target"); corpus=fuzz/corpus/${name#fuzz_}; work=$build/corpus-$name
    mkdir -p "$work"
    echo "== $name"
    "$target" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 -print_final_stats=1 \
        -artifact_prefix="$work-" "$work" "$corpus" 2>"$work.log" ||
        { tail -n 40 "$work.log"; exit 1; }
    grep -E 'number_of_executed_units|peak_rss' "$work.log"
done
