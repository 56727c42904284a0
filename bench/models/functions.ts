/** The functions that have their own vectorised forms. */

import { model, type Tensor } from "tsdlc";

export const exp = model((x: Tensor<["N"]>) => x.exp());
export const tanh = model((x: Tensor<["N"]>) => x.tanh());
export const log = model((x: Tensor<["N"]>) => x.log());
