import { model, type Tensor } from "tsdlc";

type Vector = Tensor<[3]>;
export const attempted = model((x: Vector) => {
  try {
    return x.exp();
  } catch {
    return x;
  }
});
export const debugged = model((x: Vector) => {
  debugger;
  return x;
});
export const variable = model((x: Vector) => {
  var y = x;
  return y;
});
export const thrown = model((x: Vector) => {
  throw "text";
});
export const endless = model((x: Vector) => {
  for (;;);
  return x;
});
export const deep = model((x: Vector) => descend(x, 0));
function descend(x: Vector, n: number): Vector {
  return descend(x, n + 1);
}
export const later = model(async (x: Vector) => x);
export const generator = model((x: Vector) => {
  function* items() {
    yield x;
  }
  return [...items()];
});
