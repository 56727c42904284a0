import { model, type Tensor } from "tsdlc";

interface State {
  readonly mean: Tensor<[4], "f64">;
  readonly count: number;
}

export const center = model((state: State, x: Tensor<["N", 4]>) => x.sub(state.mean.to("f32")).mul(state.count));
