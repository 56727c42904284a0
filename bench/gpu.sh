#!/bin/sh
# The tests of CUDA and the bench on a machine with an NVIDIA GPU, whatever else it lacks; what they say as text and JSON.
#
#   sh bench/gpu.sh pack                   on a machine where everything is installed and built: makes bench/node.xz and
#                                          bench/node_modules.tar.xz, for a GPU's machine that has neither (Linux x86-64)
#   sh bench/gpu.sh results [flags]        there, in a copy of the working tree with native/build and these two files:
#                                          runs everything into the folder `results`; flags are for the bench, as --quick
#
# No network is used. NVRTC is the one that TSDLC_NVRTC names, that the loader or CUDA_HOME finds, or that of a Python
# module. The exit status is not 0 when a test or the bench failed; both are tried in any case.
set -u

root="$(cd "$(dirname "$0")/.." && pwd)" || exit 1
here="$root/bench"

die() { echo "bench/gpu.sh: $*" >&2; exit 1; }

pack() {
  node="$(node -p process.execPath)" || die "there is no node"
  [ -d "$root/node_modules" ] || die "there is no node_modules: run npm ci"
  xz -T0 -6 <"$node" >"$here/node.xz" || die "node cannot be packed"
  # What only other tests and other tables need stays here.
  tar -C "$root" --exclude='node_modules/webgpu' --exclude='node_modules/@typescript' --exclude='node_modules/typescript-6' \
    --exclude='node_modules/vega*' --exclude='node_modules/vite' --exclude='node_modules/@rolldown' --exclude='node_modules/lightningcss*' \
    --exclude='node_modules/playwright-core' --exclude='node_modules/@resvg' --exclude='node_modules/dejavu-fonts-ttf' \
    --exclude='node_modules/.cache' -cf - node_modules | xz -T0 -6 >"$here/node_modules.tar.xz" || die "node_modules cannot be packed"
  ls -l "$here/node.xz" "$here/node_modules.tar.xz" "$root/native/build/Release/tsdlc_native.node"
}

# xz may be missing where Python is not.
unxz_to_stdout() {
  if command -v xz >/dev/null 2>&1; then xz -dc "$1"; else python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), sys.stdout.buffer)' "$1"; fi
}

is_new_enough() { "$1" -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null; }

find_node() {
  if command -v node >/dev/null 2>&1 && is_new_enough node; then command -v node; return; fi
  [ -f "$here/node.xz" ] || return 1
  mkdir -p "$out/bin" && unxz_to_stdout "$here/node.xz" >"$out/bin/node" && chmod +x "$out/bin/node" && is_new_enough "$out/bin/node" && echo "$out/bin/node"
}

# The newest of Python's wheels and of the toolkits that the loader was not told of.
find_nvrtc() {
  python3 - <<'END' 2>/dev/null
import glob, site, sys
folders = {folder for folder in [*site.getsitepackages(), site.getusersitepackages(), *sys.path] if folder}
patterns = [folder + "/nvidia/*/lib/libnvrtc.so.*" for folder in folders] + ["/usr/local/cuda*/lib64/libnvrtc.so.*", "/usr/local/cuda*/targets/*/lib/libnvrtc.so.*"]
found = [path for pattern in patterns for path in glob.glob(pattern) if ".alt." not in path]
if found: print(max(found, key=lambda path: path.rsplit(".so.", 1)[1].split(".")))
END
}

[ $# -ge 1 ] || die "usage: sh bench/gpu.sh pack | sh bench/gpu.sh <folder for results> [flags for the bench]"
if [ "$1" = pack ]; then pack; exit; fi

mkdir -p "$1" || die "$1 cannot be made"
out="$(cd "$1" && pwd)" && cd "$root" || exit 1
shift
rm -f "$out/environment.txt" "$out/tests.txt" "$out/tests.json" "$out/bench.txt" "$out/bench.json"
node="$(find_node)" || die "there is no Node 20.19 or later, and no bench/node.xz that holds one (sh bench/gpu.sh pack makes it)"
PATH="$(dirname "$node"):$PATH"
if [ ! -d node_modules ]; then
  [ -f "$here/node_modules.tar.xz" ] || die "there is no node_modules, and no bench/node_modules.tar.xz (sh bench/gpu.sh pack makes it)"
  unxz_to_stdout "$here/node_modules.tar.xz" | tar -xf - || die "bench/node_modules.tar.xz cannot be unpacked"
fi
[ -f native/build/Release/tsdlc_native.node ] || die "the native addon is not built: npm run build, and bring native/build along"
has_compiler() { node --conditions=source --import tsx -e 'import("tsdlc-runtime/cuda-toolchain").then((it) => it.cudaCompilerIdentity()).then((found) => process.exit(found?.startsWith("NVRTC") ? 0 : 1))' 2>/dev/null; }
if [ -z "${TSDLC_NVRTC:-}" ] && ! has_compiler; then
  nvrtc="$(find_nvrtc)"
  if [ -n "$nvrtc" ]; then export TSDLC_NVRTC="$nvrtc"; fi
fi
export TSDLC_CACHE="${TSDLC_CACHE:-$out/cache}"

{
  echo "node $(node --version), NVRTC ${TSDLC_NVRTC:-as the loader finds it}"
  nvidia-smi 2>/dev/null || echo "nvidia-smi does not run"
} >"$out/environment.txt"
cat "$out/environment.txt"

status=0
TSDLC_TEST_CUDA=real TSDLC_TEST_JSON="$out/tests.json" node node_modules/mocha/bin/mocha.js --config test/cuda/on-gpu.mocharc.json >"$out/tests.txt" 2>&1 || status=1
tail -n 60 "$out/tests.txt"
node --conditions=source --import tsx bench/main.ts cuda --json "$out/bench.json" "$@" >"$out/bench.txt" 2>&1 || status=1
cat "$out/bench.txt"
# The bench ends well where there is no device, and says so; here that is a failure.
grep -q '"workload"' "$out/bench.json" 2>/dev/null || status=1
[ "$status" = 0 ] || echo "bench/gpu.sh: something failed: see tests.txt and bench.txt in $out" >&2
exit "$status"
