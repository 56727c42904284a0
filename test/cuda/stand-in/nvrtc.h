// The part of NVRTC's API that the stand-in offers, as NVIDIA's nvrtc.h has it; tests compile against that file, where
// it is at hand, by naming it in TSDLC_NVRTC_H.

#pragma once

#ifdef TSDLC_NVRTC_H
#include TSDLC_NVRTC_H
#else

typedef enum {
  NVRTC_SUCCESS = 0,
  NVRTC_ERROR_OUT_OF_MEMORY = 1,
  NVRTC_ERROR_PROGRAM_CREATION_FAILURE = 2,
  NVRTC_ERROR_INVALID_INPUT = 3,
  NVRTC_ERROR_INVALID_PROGRAM = 4,
  NVRTC_ERROR_INVALID_OPTION = 5,
  NVRTC_ERROR_COMPILATION = 6,
  NVRTC_ERROR_BUILTIN_OPERATION_FAILURE = 7,
  NVRTC_ERROR_INTERNAL_ERROR = 11,
} nvrtcResult;

typedef struct _nvrtcProgram* nvrtcProgram;

#endif

#define EXPORTED extern "C" __attribute__((visibility("default")))
