import { model, type Tensor } from "tsdlc";

export const predict = model((x: Tensor<["N", 4]>) => {
  try {
    return x.exp();
  } catch {
    return x;
  }
});
