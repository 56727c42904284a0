// Each function of a warp once, on the lane's number: row i of the result is what function i gave the 32 lanes.
extern "C" __global__ void __launch_bounds__(32) shuffles(int *__restrict__ out) {
  const int lane = (int)threadIdx.x;
  int row = 0;
  out[32 * row++ + lane] = __shfl_sync(0xffffffffu, lane, 5);
  out[32 * row++ + lane] = __shfl_sync(0xffffffffu, lane, lane + 1);
  out[32 * row++ + lane] = __shfl_sync(0xffffffffu, lane, 3, 8);
  out[32 * row++ + lane] = __shfl_up_sync(0xffffffffu, lane, 3);
  out[32 * row++ + lane] = __shfl_up_sync(0xffffffffu, lane, 3, 8);
  out[32 * row++ + lane] = __shfl_down_sync(0xffffffffu, lane, 3);
  out[32 * row++ + lane] = __shfl_down_sync(0xffffffffu, lane, 3, 8);
  out[32 * row++ + lane] = __shfl_xor_sync(0xffffffffu, lane, 5);
  out[32 * row++ + lane] = __shfl_xor_sync(0xffffffffu, lane, 12, 8);
  out[32 * row++ + lane] = (int)__ballot_sync(0xffffffffu, lane % 3 == 0);
  out[32 * row++ + lane] = __any_sync(0xffffffffu, lane == 7);
  out[32 * row++ + lane] = __any_sync(0xffffffffu, lane > 31);
  out[32 * row++ + lane] = __all_sync(0xffffffffu, lane < 32);
  out[32 * row++ + lane] = __all_sync(0xffffffffu, lane < 31);
  // Halves of the warp on their own.
  out[32 * row++ + lane] = lane < 16 ? __shfl_sync(0x0000ffffu, lane, 15) : __shfl_sync(0xffff0000u, lane, 16);
  out[32 * row++ + lane] = (int)__shfl_sync(0xffffffffu, 1.5, 0) + (int)(__shfl_sync(0xffffffffu, 1ll << 40, 9) >> 40);
}
