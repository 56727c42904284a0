// A stand-in for NVRTC: compiles the text of kernels for the emulator, and gives the image as cubin or PTX.

#include <stdint.h>
