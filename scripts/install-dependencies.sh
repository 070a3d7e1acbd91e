#!/bin/sh
# Installs Debian packages that are missing: install-dependencies.sh [--look] build|check|demo|bench...
# With --look nothing is installed: what is missing is named, with the command that installs it.
set -eu

build="gcc libc6-dev make cmake pkg-config libdnnl-dev libjpeg62-turbo-dev libpng-dev libwebp-dev libtiff-dev libjansson-dev nettle-dev"
check="g++ clang clang-format libclang-rt-14-dev libomp-14-dev libcmocka-dev locales git gcovr python3 python3-pip python3-numpy python3-pil python3-torch python3-torchvision libopenblas0-openmp"
demo="python3 python3-pip tuxpaint-stamps-default"
bench="g++ python3-dev python3-venv zlib1g-dev util-linux"

look=no
packages=""
for word in "$@"; do
    case $word in
    --look) look=yes ;;
    build) packages="$packages $build" ;;
    check) packages="$packages $check" ;;
    demo) packages="$packages $demo" ;;
    bench) packages="$packages $bench" ;;
    *) echo "install-dependencies.sh: unknown set $word" >&2; exit 2 ;;
    esac
done

# Elsewhere than on Debian CMake says what is missing.
command -v dpkg-query >/dev/null 2>&1 || exit 0

missing=""
for package in $packages; do
    case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true) in
    "install ok installed") ;;
    *)
        # A compiler or tool may come from elsewhere.
        if [ "$look" = yes ] && command -v "$package" >/dev/null 2>&1; then continue; fi
        missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$look" = yes ]; then
    echo "graft needs packages that are not installed:$missing" >&2
    echo "    apt-get install$missing" >&2
    exit 1
fi

run=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "these packages are missing, and neither root nor sudo is here:$missing" >&2; exit 1; }
    run="sudo"
fi
echo "installing:$missing"
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
if ! { $run apt-get update && $run apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    exit 1
fi
rm -f "$log"
