/** The two readings of "4096x1024x64", and the square one. */

import { model, type Tensor } from "tsdlc";

export const square = model((a: Tensor<[1024, 1024]>, b: Tensor<[1024, 1024]>) => a.matmul(b));
export const narrow = model((a: Tensor<[4096, 1024]>, b: Tensor<[1024, 64]>) => a.matmul(b));
export const shallow = model((a: Tensor<[4096, 64]>, b: Tensor<[64, 1024]>) => a.matmul(b));
