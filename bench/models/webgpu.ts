/** What is compared on WebGPU: two products, a chain over 4M elements, softmax over rows. */

import { model, type Tensor } from "tsdlc";

export const matmul512 = model((a: Tensor<[512, 512]>, b: Tensor<[512, 512]>) => a.matmul(b));
export const matmul1024 = model((a: Tensor<[1024, 1024]>, b: Tensor<[1024, 1024]>) => a.matmul(b));
export const chain = model((x: Tensor<[4194304]>) => x.mul(2).add(1).tanh().mul(x));
export const softmax = model((x: Tensor<[1024, 1024]>) => x.softmax(-1));
