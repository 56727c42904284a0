import { model, type Tensor } from "tsdlc";

type Vector = Tensor<[3]>;
let rate = 0.1;
let calls = 0;
const history: Vector[] = [];
const table: number[] = [];
for (let i = 0; i < 3; i++) table.push(i);
const settings = { scale: 2 };

export const readsLet = model((x: Vector) => x.mul(rate));
export const writesLet = model((x: Vector) => {
  calls++;
  return x;
});
export const collects = model((x: Vector) => {
  history.push(x);
  return x;
});
export const filledLater = model((x: Vector) => x.mul(table.length));
export const changesSettings = model((x: Vector) => {
  const { scale } = settings;
  change(settings);
  return x.mul(scale);
});
function change(target: { scale: number }): void {
  target.scale = 3;
}
rate = 0.2;
