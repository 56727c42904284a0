import { model, type Tensor } from "tsdlc";

type Vector = Tensor<[3]>;
export const awaited = model((x: Vector) => (async () => await x)());
export const expression = model((x: Vector) => x.mul(/a/.test("a") ? 1 : 2));
export const big = model((x: Vector) => x.mul(Number(10n)));
export const tagged = model((x: Vector) => x.mul(String.raw`a`.length));
export const deleted = model((x: Vector) => {
  const options: { a?: number } = { a: 1 };
  delete options.a;
  return x;
});
export const self = model(function (this: { w: number }, x: Vector) {
  return x.mul(this.w);
} as (x: Vector) => Vector);
export const instance = model((x: Vector) => x.mul((x as unknown) instanceof Float32Array ? 1 : 2));
export const meta = model((x: Vector) => x.mul(import.meta.url.length));
export const tensorMade = model((x: Vector) => x.mul(new (globalThis as never as { Map: new () => { size: number } }).Map().size));
