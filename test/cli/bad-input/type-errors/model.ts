import { model, type Tensor } from "tsdlc";

interface Params {
  w: Tensor<[784, 10]>;
}

export const predict = model((p: Params, x: Tensor<["N", 784]>) => {
  const rows: string = 3;
  try {
    return x.matmul(p.weights);
  } finally {
    rows.trim();
  }
});
