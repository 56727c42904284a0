/** What is bound by memory: a chain over 16M elements, and softmax over rows. */

import { model, type Tensor } from "tsdlc";

export const chain = model((x: Tensor<[16777216]>) => x.mul(2).add(1).tanh().mul(x));
export const rows = model((x: Tensor<[1024, 1024]>) => x.softmax(-1));
