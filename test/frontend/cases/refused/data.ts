import { grad, model, type Tensor } from "tsdlc";

type Vector = Tensor<[3]>;

export const keyOfRunTime = model((x: Vector, n: number) => x.mul(new Map([[0, 1], [1, 2]]).get(n)!));
export const tensorKey = model((x: Vector) => x.mul(new Map([[x, 2]]).get(x)!));
export const objectItem = model((x: Vector) => x.mul(new Set([{ a: 1 }]).size));
export const notPairs = model((x: Vector) => x.mul(new Map([1, 2] as never).size));
export const method = model((x: Vector) => x.mul((new Map([["a", 1]]) as never as { getOrInsert(key: string, value: number): number }).getOrInsert("a", 1)));
export const withoutNew = model((x: Vector) => x.mul((Map as never as () => Map<string, number>)().size));
export const returnedMap = model((x: Vector) => new Map([["x", x]]) as never);
export const mapGradient = model((x: Vector) => grad((m: Map<string, Vector>) => m.get("x")!.sum() as never)(new Map([["x", x]])) as never as Vector);
export const mayHaveKey = model((x: Vector) => {
  const found = new Map<string, number>();
  if (x.sum().item() > 0) found.set("x", 1);
  return x.mul(found.size);
});
export const orderOfKeys = model((x: Vector) => {
  const found = new Map<string, number>();
  if (x.sum().item() > 0) found.set("x", 1).set("y", 2);
  else found.set("y", 1).set("x", 2);
  return x.mul([...found.keys()][0] === "x" ? 1 : 2);
});
export const orderOfLateKeys = model((x: Vector) => {
  const found = new Map<string, number>();
  if (x.sum().item() > 0) found.set("x", 1);
  found.set("y", 2);
  found.set("x", 3);
  return x.mul([...found.keys()][0] === "x" ? 1 : 2);
});
export const mayHaveField = model((x: Vector) => {
  const found: Record<string, number> = {};
  if (x.sum().item() > 0) found["x"] = 1;
  return x.mul(Object.keys(found).length);
});
export const mayHaveElement = model((x: Vector) => {
  const found: number[] = [];
  if (x.sum().item() > 0) found.push(1);
  return x.mul(found.length);
});
export const keyInLoop = model((x: Vector) => {
  const found = new Map([["a", 1]]);
  for (let i = 0; i < x.sum().item(); i++) {
    found.delete("a");
    found.set("b", 2);
  }
  return x.mul(found.get("a") ?? 3);
});
export const deletedInLoop = model((x: Vector) => {
  const items = new Set(["a", "b", "c"]);
  for (const item of items) items.delete(item);
  return x.mul(items.size);
});
export const rowsOfAnySize = model((x: Tensor<["N", 3]>) => {
  const [first] = x;
  return first!;
});
export const rowsOfNumber = model((x: Tensor<[]>) => [...x].length);
export const objectItems = model((x: Vector) => [...({ x } as never as Vector[])]);
export const notInstance = model((x: Vector) => x.mul((x as unknown) instanceof Date ? 1 : 2));
const table = new Map<string, number>();
table.set("a", 1);
export const filledLater = model((x: Vector) => x.mul(table.get("a") ?? 2));
const settings = new Map([["rate", 2]]);
function change(map: Map<string, number>) {
  map.set("rate", 3);
}
export const changed = model((x: Vector) => {
  change(settings);
  return x.mul(settings.get("rate")!);
});
export const sameObject = model((x: Vector) => {
  const [left, right] = [{ x }, { x: x.neg() }];
  const chosen = x.sum().item() > 0 ? left : right;
  return chosen === left ? x : x.neg();
});
