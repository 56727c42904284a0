#!/bin/sh
# Emitted CUDA to an image that the emulator runs: a shared object.
#
#   compile-kernels.sh kernels.cu image.so architecture [more flags of the compiler]
#
# The architecture is "any" or that of a real cubin ("sm_90a"): the stand-in for the driver then loads it where the real
# one would. "compute_80" gives a stand-in for PTX (wrap-as-ptx.sh).
#
# The text is compiled as it is, behind cuda-on-cpu.h. After it comes a table of its kernels, for which only their names
# and launch bounds are read from the text.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
text=$1 image=$2 architecture=$3
shift 3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One line for each kernel (made by macros, they would not be found): its name, and the first argument of __launch_bounds__ or else the most there is.
kernels() {
  sed 's://.*$::' "$text" | tr '\n' ' ' | sed 's:__global__:\n__global__:g' | sed -nE '
    s/^__global__([^{;]*).*$/\1/
    T
    /__launch_bounds__/!s/^/__launch_bounds__(1024)/
    s/^(.*)__launch_bounds__ *\( *([0-9]+)[^)]*\)/\2 \1/
    s/^([0-9]+) .*void +([A-Za-z_][A-Za-z_0-9]*) *\(.*$/  TSDLC_KERNEL(\2, \1),/p'
}

{
  printf '#line 1 "%s"\n' "$text"
  cat "$text"
  cat <<END

#line 1 "kernel table"
static constexpr tsdlc::emulator::KernelDescription tsdlc_cuda_kernels[] = {
$(kernels)
  {}};
extern char __start_cuda_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_cuda_shared[] __attribute__((weak, visibility("hidden")));
extern "C" __attribute__((visibility("default"))) const tsdlc::emulator::ImageDescription tsdlc_cuda_image = {
  tsdlc::emulator::imageVersion, sizeof(tsdlc_cuda_kernels) / sizeof(tsdlc_cuda_kernels[0]) - 1, tsdlc_cuda_kernels,
  "$architecture", __start_cuda_shared, __stop_cuda_shared};
END
} >"$work/kernels.cc"

# Contraction of a * b + c is off: kernels say fma where they mean it, and nvcc is told the same. A frame must fit into
# the stack of a thread (thread.h).
${CXX:-g++} -std=c++20 -O2 -ffp-contract=off -shared -fPIC -fvisibility=hidden -fno-gnu-unique -fno-strict-aliasing -Werror=frame-larger-than=49152 \
  -DTSDLC_EMULATED -I "$here" -include cuda-on-cpu.h "$@" "$work/kernels.cc" -o "$work/image.so" -lm

case "$architecture" in
  compute_*) sh "$here/wrap-as-ptx.sh" "$work/image.so" "$image" "$architecture" ;;
  *) mv "$work/image.so" "$image" ;;
esac
