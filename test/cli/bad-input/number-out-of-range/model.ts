import { model, type Tensor } from "tsdlc";

export const brighter = model((pixels: Tensor<["N"], "u8">) => pixels.add(300));
