#!/bin/sh
# NVIDIA's compilers for the tests of CUDA, from their wheels on PyPI: NVRTC, ptxas and cuda.h. No GPU is needed, and
# nothing is installed but files in a folder of the cache, which is left alone once it is whole.
set -u

version=13.0
wheels="nvidia-cuda-nvrtc==13.0.88 nvidia-cuda-nvcc==13.0.88 nvidia-cuda-runtime==13.0.96"

folder="${XDG_CACHE_HOME:-$HOME/.cache}/tsdlc/cuda-toolkit/$version"
[ -e "$folder/complete" ] && exit 0

without() {
  echo "test/cuda/setup.sh: $1; CUDA will not be compiled by NVIDIA's compilers" >&2
  exit 0
}

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || without "there are wheels for Linux on x86-64 alone"

if ! python3 -m pip --version >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "test/cuda/setup.sh: installing python3-pip" >&2
    install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-pip >/dev/null 2>&1; }
    install || { apt-get update >/dev/null 2>&1 && install; }
  fi
  python3 -m pip --version >/dev/null 2>&1 || without "there is no pip (Debian: apt-get install python3-pip)"
fi

echo "test/cuda/setup.sh: fetching $wheels" >&2
mkdir -p "${folder%/*}" || without "$folder cannot be made"
aside=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$aside"' EXIT
# shellcheck disable=SC2086
python3 -m pip install --quiet --root-user-action=ignore --disable-pip-version-check --no-deps --no-compile --only-binary :all: --target "$aside" $wheels >&2 ||
  without "pip failed"

# Of 700 MB these are used.
root="$aside/nvidia/cu13"
mkdir "$aside/bin" "$aside/lib" "$aside/include"
mv "$root/bin/ptxas" "$aside/bin/" &&
  mv "$root"/lib/libnvrtc.so.* "$root"/lib/libnvrtc-builtins.so.* "$aside/lib/" &&
  mv "$root/include/cuda.h" "$root/include/nvrtc.h" "$aside/include/" || without "the wheels hold other files than expected"
rm -rf "$aside/nvidia" "$aside"/*.dist-info
touch "$aside/complete"
# What an interrupted run left there goes; what another run made whole in the meantime stays.
[ -e "$folder/complete" ] || rm -rf "$folder"
mv -T "$aside" "$folder" 2>/dev/null || [ -e "$folder/complete" ] || without "$folder cannot be written"
exit 0
