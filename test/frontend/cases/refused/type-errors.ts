import { model, type Tensor } from "tsdlc";

// The TypeScript checker speaks first, and what it finds is all that is said.
export const wrong = model((x: Tensor<["N", 784]>, w: Tensor<[128, 10]>) => x.matmul(w));
export const misspelt = model((x: Tensor<[3]>) => x.sigmiod());
export const alsoWrong = model((x: string) => x);
const count: number = "three";
