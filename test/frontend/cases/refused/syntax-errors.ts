import { model, type Tensor } from "tsdlc";

export const unfinished = model((x: Tensor<[3]>) => x.add(;
