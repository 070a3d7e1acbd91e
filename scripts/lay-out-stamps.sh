#!/bin/sh
# Lays out twelve classes of Debian's tuxpaint-stamps-default as stamps/CLASS/ with links; mirrored copies are
# left out.
set -eu

source=/usr/share/tuxpaint/stamps
target=${1:-stamps}
[ -d "$source" ] || { echo "lay-out-stamps.sh: $source is missing: apt-get install tuxpaint-stamps-default" >&2; exit 1; }

rm -rf "$target"
for class in animals/birds animals/fish animals/insects animals/mammals food/fruit food/vegetables plants/flowers \
             town/houses town/roadsigns symbols/money household/tools vehicles; do
    name=$(basename "$class")
    mkdir -p "$target/$name"
    find "$source/$class" -name '*.png' ! -name '*_mirror*' | LC_ALL=C sort | while read -r picture; do
        link=$(printf '%s' "${picture#"$source/$class/"}" | tr / -)
        ln -s "$picture" "$target/$name/$link"
    done
done
echo "pictures    $target: $(find "$target" -name '*.png' | wc -l) in $(ls "$target" | wc -l) classes"
