#!/bin/sh
# What the tests need besides npm packages: a C cross compiler, which checks that kernels for ARM64 compile. Installed
# where that is possible (root on Debian or Ubuntu), else named; tests that need it are then skipped, with the reason.
set -u

sh "$(dirname "$0")/cuda/setup.sh"

compiler=aarch64-linux-gnu-gcc
packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross"

if command -v "$compiler" >/dev/null 2>&1; then exit 0; fi
if [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "test/setup.sh: installing $packages" >&2
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages >/dev/null 2>&1 ||
    { apt-get update >/dev/null 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages >/dev/null 2>&1; }
fi
command -v "$compiler" >/dev/null 2>&1 ||
  echo "test/setup.sh: there is no $compiler (Debian: apt-get install $packages); the tests of ARM64 kernels will be skipped" >&2
exit 0
