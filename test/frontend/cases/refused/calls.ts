import { readFileSync } from "node:fs";
import { model, type Tensor } from "tsdlc";

type Vector = Tensor<[3]>;
declare function external(x: Vector): Vector;

export const printed = model((x: Vector) => {
  console.log(x);
  return x;
});
export const random = model((x: Vector) => x.mul(Math.random()));
export const now = model((x: Vector) => x.mul(Date.now()));
export const read = model((x: Vector) => x.mul(readFileSync("rate.txt", "utf8").length));
export const unknownFunction = model((x: Vector) => external(x));
export const arrayMethod = model((x: Vector) => x.mul([1, 2].copyWithin(0, 1)[0]!));
export const stringMethod = model((x: Vector) => x.mul("abc".charCodeAt(0)));
export const data = model((x: Vector) => (x as never as { data(): Vector }).data());
export const notFunction = model((x: Vector) => (x.shape as never as () => Vector)());
export const environment = model((x: Vector) => x.mul(Number(process.env["RATE"])));
