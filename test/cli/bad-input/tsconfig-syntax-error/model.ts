import { model, type Tensor } from "tsdlc";

/** Twice the input. */
export const double = model((x: Tensor<["N", 4]>) => x.mul(2));
