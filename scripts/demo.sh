#!/bin/sh
# The demo: train, evaluate, predict, each command shown before it runs.
set -eu
say() { printf '\n$ %s\n' "$*"; "$@"; }
rm -rf runs/demo
say build/graft train stamps --out runs/demo
say build/graft eval runs/demo
say build/graft predict runs/demo stamps/birds/$(ls stamps/birds | head -n 1) stamps/vehicles/$(ls stamps/vehicles | head -n 1) \
    stamps/fruit/$(ls stamps/fruit | head -n 1)
