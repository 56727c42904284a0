// A loop of known turns stays a loop when it is long and need not know which turn it is.
import { model, type Tensor } from "tsdlc";

export const long = model((x: Tensor<[4]>, w: Tensor<[4, 4]>) => {
  let y = x;
  for (let i = 0; i < 100; i++) y = w.matmul(y).tanh().add(i);
  return y;
});

export const short = model((x: Tensor<[4]>) => {
  let y = x;
  for (let i = 0; i < 3; i++) y = y.mul(i);
  return y;
});

export const layers = model((x: Tensor<[4]>, ws: { w0: Tensor<[4]>; w1: Tensor<[4]> }) => {
  const cycle = [ws.w0, ws.w1];
  let y = x;
  for (let i = 0; i < 18; i++) y = y.add(cycle[i % 2] ?? x);
  return y;
});
