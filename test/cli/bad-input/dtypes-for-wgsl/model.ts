import { model, type Tensor } from "tsdlc";

const precise = <N extends string>(x: Tensor<[N, 4]>) => x.to("f64").sum(1);

export const total = model((x: Tensor<["N", 4]>) => precise(x).to("f32"));

export const index = model((x: Tensor<["N", 4]>) => x.argmax(1).to("i64").mul(2));

export const half = model((x: Tensor<["N", 4], "f16">, y: Tensor<["N", 4], "bf16">) => x.add(y.to("f16")));

export const loss = model((x: Tensor<["N", 4]>) => x.mean().to("f64"));
