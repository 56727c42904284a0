import { model, type Tensor } from "tsdlc";

interface Options {
  scale: Tensor<[]>;
  mode: string;
}

export const predict = model((options: Options, x: Tensor<["N", 4]>) => x.mul(options.scale));
