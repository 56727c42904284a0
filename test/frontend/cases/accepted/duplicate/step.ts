import { model, type Tensor } from "tsdlc";

export const step = model((x: Tensor<["N"]>) => x.neg());
