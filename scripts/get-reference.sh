#!/bin/sh
# get-reference.sh FOLDER: the Python package that the tests compare EfficientNet-Lite0 with.
set -eu
folder=$1
[ -d "$folder/efficientnet_lite_pytorch" ] && exit 0
mkdir -p "$folder"
/usr/bin/python3 -m pip install --quiet --no-deps --target "$folder" efficientnet-lite-pytorch==0.1.0
