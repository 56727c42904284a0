import { model, type Tensor } from "tsdlc";

export enum Activation { None, Tanh }

export const dense = (x: Tensor<["N", 4]>, w: Tensor<[4, 4]>, activation: Activation): Tensor<["N", 4]> => {
  const y = x.matmul(w);
  switch (activation) {
    case Activation.None: return y;
    case Activation.Tanh: return y.tanh();
  }
};

export const doubled = model((x: Tensor<["N"]>) => x.mul(2));
