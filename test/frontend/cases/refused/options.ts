import { model, type Tensor } from "tsdlc";

export const donated = model((x: Tensor<[2]>) => x.neg(), { donate: [1] });
export const noSuchDim = model((x: Tensor<["N"]>) => x.neg(), { dims: { M: { max: 4 } } });
export const emptyRange = model((x: Tensor<["N"]>) => x.neg(), { dims: { N: { min: 5, max: 4 } } });
