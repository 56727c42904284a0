#!/bin/sh
# What the tests need besides npm packages, installed where that is possible (root on Debian or Ubuntu), else named;
# tests that lack something are then skipped with the reason, unless TSDLC_REQUIRE forbids it:
#
#   * a C cross compiler, which checks that kernels for ARM64 compile;
#   * Chromium, for the tests in a browser;
#   * a software Vulkan driver (Mesa's lavapipe, version 23 or later), on which Dawn runs WebGPU where there is no GPU.
#     Debian 12 has 22.3, which Dawn does not take: the driver, one library, then comes from its backports into a
#     folder of our own, beside system packages that stay as they are.
set -u

note() { echo "test/setup.sh: $*" >&2; }

may_install() { [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

install_packages() {
  may_install || return 1
  note "installing $*"
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1 ||
    { apt-get update >/dev/null 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1; }
}

cross_compiler() {
  command -v aarch64-linux-gnu-gcc >/dev/null 2>&1 && return
  install_packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross
  command -v aarch64-linux-gnu-gcc >/dev/null 2>&1 ||
    note "there is no aarch64-linux-gnu-gcc (Debian: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross); the tests of ARM64 kernels will be skipped"
}

# The names that test/browser.ts looks for.
browser() {
  has_browser && return
  install_packages chromium
  has_browser || note "there is no chromium (Debian: apt-get install chromium); the tests in a browser will be skipped"
}

has_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome-stable || command -v google-chrome; } >/dev/null 2>&1

# test/webgpu-adapter.ts looks for lvp_icd.json in the same folder.
lavapipe() {
  folder="${XDG_CACHE_HOME:-$HOME/.cache}/tsdlc/lavapipe"
  [ -f "$folder/lvp_icd.json" ] && [ -n "$(find_library libvulkan.so.1)" ] && return
  # Elsewhere than on Debian and its kin there is no telling which version a driver has.
  if [ "$(uname -s)" != Linux ] || ! command -v dpkg-query >/dev/null 2>&1 || [ "$(find_driver)" != "" ]; then return; fi
  if install_packages libvulkan1 mesa-vulkan-drivers && [ "$(find_driver)" = "" ]; then unpack_driver "$folder"; fi
  [ "$(find_driver)" != "" ] || [ -f "$folder/lvp_icd.json" ] ||
    note "there is no Vulkan driver that Dawn takes (Debian: apt-get install libvulkan1 mesa-vulkan-drivers, of Mesa 23 or later); the tests of WebGPU will be skipped"
}

find_library() { ldconfig -p 2>/dev/null | sed -n "s|.*$1 .*=> ||p" | head -1; }

# The path of the system's own lavapipe, when its Mesa is new enough.
find_driver() {
  [ -n "$(find_library libvulkan.so.1)" ] || return
  version="$(dpkg-query -W -f '${Version}' mesa-vulkan-drivers 2>/dev/null | sed 's/^[0-9]*://; s/[^0-9].*//')"
  [ "${version:-0}" -ge 23 ] && ls /usr/share/vulkan/icd.d/lvp_icd*.json 2>/dev/null | head -1
}

# One library out of the package of <codename>-backports, from the mirror that apt already uses.
unpack_driver() (
  codename="$(. /etc/os-release && echo "${VERSION_CODENAME:-}")"
  mirror="$(apt-get indextargets --format '$(REPO_URI)' "Codename: $codename" 'Created-By: Packages' | head -1)"
  library="usr/lib/$(uname -m)-linux-gnu/libvulkan_lvp.so"
  note "unpacking mesa-vulkan-drivers of $codename-backports into $1"
  mkdir -p "$1" || exit
  work="$(mktemp -d)" || exit
  trap 'rm -rf "$work"' EXIT
  cd "$work" && mkdir -p lists/partial cache/archives/partial root || exit
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $codename-backports main" > sources.list
  apt() {
    apt-get -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$work/lists" \
      -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none -qq "$@"
  }
  { apt update && apt download "mesa-vulkan-drivers/$codename-backports"; } >&2 || exit
  dpkg-deb --fsys-tarfile mesa-vulkan-drivers_*.deb | tar -x -C root "./$library" || exit
  if ldd "root/$library" | grep 'not found' >&2; then exit 1; fi
  mv "root/$library" "$1/libvulkan_lvp.so"
  # Last, and by renaming: a folder that has this file has the driver.
  printf '{"file_format_version":"1.0.0","ICD":{"api_version":"1.4.305","library_path":"%s"}}\n' "$1/libvulkan_lvp.so" > lvp_icd.json
  mv lvp_icd.json "$1/lvp_icd.json"
)

cross_compiler
browser
lavapipe
sh "$(dirname "$0")/cuda/setup.sh"
exit 0
