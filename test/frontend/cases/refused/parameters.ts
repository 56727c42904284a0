import { model, type Tensor } from "tsdlc";

interface Config { name: string; w: Tensor<[2]> }
interface Chain { w: Tensor<[2]>; next: Chain }
interface Partial { w: Tensor<[2]>; b?: Tensor<[2]> }

export const text = model((x: Tensor<[2]>, mode: string) => x);
export const flag = model((x: Tensor<[2]>, training: boolean) => x);
export const anything = model((x: any) => x);
export const field = model((config: Config) => config.w);
export const list = model((xs: Tensor<[2]>[]) => xs[0]);
export const either = model((x: Tensor<[4001]> | Tensor<[4002]>) => x);
export const record = model((params: Record<string, Tensor<[2]>>) => params["w"]);
export const recursive = model((chain: Chain) => chain.w);
export const optionalField = model((p: Partial) => p.w);
export const callback = model((f: (x: Tensor<[2]>) => Tensor<[2]>, x: Tensor<[2]>) => f(x));
export const unknownShape = model((x: Tensor) => x);
export const openSize = model((x: Tensor<[number, 2]>) => x);
export const badName = model((x: Tensor<["batch size", 2]>) => x);
export const eitherDtype = model((x: Tensor<[2], "f32" | "f16">) => x);
export const empty = model((x: {}) => x);
export const generic = model(<T>(x: T) => x);
export const optional = model((x: Tensor<[2]>, rate = 1) => x.mul(rate));
export const rest = model((...xs: Tensor<[2]>[]) => xs);
