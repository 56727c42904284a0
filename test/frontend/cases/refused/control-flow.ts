// What a branch or a loop that run time decides cannot do, each at its place.
import { model, type Tensor, concat, zeros } from "tsdlc";

export const shapes = model((x: Tensor<[4]>) => {
  let y: Tensor<readonly number[]> = x;
  if (x.sum().item() > 0) y = x.narrow(0, 0, 2);
  return y.mul(2);
});

export const dtypes = model((x: Tensor<[4]>, n: number) => (n > 0 ? x : x.to("i32")));

export const onePath = model((x: Tensor<[4]>) => {
  const f = (): Tensor<[4]> | undefined => {
    if (x.sum().item() > 0) return x;
    return undefined;
  };
  return (f() as Tensor<[4]>).mul(2);
});

export const texts = model((x: Tensor<[4]>, n: number) => {
  let mode: "sum" | "mean" = "sum";
  if (n > 1) mode = "mean";
  return mode === "sum" ? x.sum() : x.mean();
});

export const growing = model((x: Tensor<[4]>, n: number) => {
  let y: Tensor<readonly number[]> = x;
  for (let i = 0; i < n; i++) y = concat([y, y]);
  return y;
});

export const pushing = model((x: Tensor<[4]>, n: number) => {
  const parts: Tensor<[4]>[] = [];
  for (let i = 0; i < n; i++) parts.push(x.mul(i));
  return concat(parts, 0);
});

export const longer = model((x: Tensor<[4]>, n: number) => {
  const parts = [x];
  if (n > 0) parts.push(x.neg());
  return concat(parts, 0);
});

export const throwing = model((x: Tensor<[4]>) => {
  if (x.sum().item() > 0) throw new Error("a sum must not be positive");
  return x;
});

export const endless = model((x: Tensor<[4]>) => {
  let y = x;
  while (true) {
    y = y.mul(2);
    if (y.sum().item() < 0) continue;
  }
  return y;
});

export const runtimeAxis = model((x: Tensor<[4, 4]>, n: number) => {
  let y: Tensor<readonly number[]> = x;
  for (let i = 0; i < n; i++) y = y.sum(i);
  return y;
});

export const element = model((x: Tensor<[4]>, n: number) => {
  const parts = [x, x.neg(), x.abs()];
  let y = x;
  for (let i = 0; i < n; i++) y = y.add(parts[i] ?? x);
  return y;
});

export const otherName = model((x: Tensor<[4]>, n: number) => {
  const first = { x };
  const second = { x: x.neg() };
  const chosen = n > 0 ? first : second;
  chosen.x = x.mul(2);
  return first.x;
});

export const newObjects = model((x: Tensor<[4]>, n: number) => {
  const start = { x };
  let state = start;
  while (state.x.sum().item() < n) {
    state.x = state.x.mul(2);
    state = { x: state.x.add(1) };
  }
  return [start.x, state.x];
});

export const many = model((x: Tensor<[4]>) => {
  if (x.gt(0).item()) return x;
  return x.neg();
});

export const several = model((x: Tensor<[4]>) => {
  while (x.gt(0)) return x;
  return x.neg();
});

export const afterLoop = model((x: Tensor<[4]>, n: number) => {
  let last;
  for (let i = 0; i < n; i++) last = x.mul(i);
  return last ?? zeros([4]);
});
