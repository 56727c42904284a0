import { grad, mapTree, model, Tensor } from "tsdlc";

type Vector = Tensor<[3]>;
class Layer {
  w: Vector;
  constructor(w: Vector) {
    this.w = w;
  }
  forward(x: Vector) {
    return x.mul(this.w);
  }
  get first() {
    return this.w.select(0, 0);
  }
}
class Hidden {
  #w: Vector;
  constructor(w: Vector) {
    this.#w = w;
  }
  forward(x: Vector) {
    return x.mul(this.#w);
  }
}
class WithActivation {
  w!: Vector;
  activation = (x: Vector) => x.relu();
}
class Named {
  w!: Vector;
  name = "layer";
}
class Counted {
  static count = 0;
  constructor() {
    Counted.count++;
  }
}
class Odd {
  constructor(x: Vector) {
    return { x } as never as Odd;
  }
}
class Pair {
  left: Vector | undefined = undefined;
}

export const privateField = model((p: Hidden, x: Vector) => p.forward(x));
export const field = model((p: WithActivation, x: Vector) => p.activation(x).mul(p.w));
abstract class Shape {
  abstract area(x: Vector): Vector;
}
export const abstracted = model((p: { shape: Shape }, x: Vector) => p.shape.area(x));
export const text = model((p: Named, x: Vector) => p.w.mul(x));
export const privateGradient = model((x: Vector) => grad((p: Hidden) => p.forward(x).sum())(new Hidden(x)));
export const unbound = model((x: Vector) => {
  const { forward } = new Layer(x);
  return forward(x);
});
export const called = model((x: Vector) => (Layer as never as (w: Vector) => Layer)(x).w);
export const setFirst = model((x: Vector) => {
  const layer = new Layer(x);
  (layer as { first: Tensor<[]> }).first = x.sum();
  return layer.w;
});
export const counted = model((x: Vector) => x.mul([new Counted(), new Counted()].length));
export const odd = model((x: Vector) => (new Odd(x), x));
export const extended = model((x: Vector) => {
  class Special extends Tensor<[3]> {}
  return x instanceof Special ? x : x.neg();
});
export const external = model((x: Vector) => {
  class Cache extends Map<string, Vector> {}
  return new Cache([["x", x]]).get("x")!;
});
export const twoClasses = model((x: Vector) => {
  const chosen = x.sum().item() > 0 ? new Layer(x) : new (class Other { w = x; forward(y: Vector) { return y; } })();
  return chosen.forward(x);
});
export const foreign = model((x: Vector) => {
  class Guard {
    #secret = 1;
    static read(other: object) {
      return (other as Guard).#secret;
    }
  }
  return x.mul(Guard.read(new Layer(x)));
});
export const early = model((x: Vector) => {
  class Base {
    scale = 2;
  }
  class Derived extends Base {
    constructor(first: boolean) {
      if (first) super();
      const read = () => this.scale;
      read();
    }
  }
  return x.mul(new Derived(false).scale);
});
export const resultGetter = model((x: Vector) => mapTree((leaf) => leaf.neg(), { get w() { return x; } } as { w: Vector }));
export const missingField = model((x: Vector) => {
  const pair = new Pair();
  if (x.sum().item() > 0) pair.left = x;
  return pair.left!;
});
function decorate(value: unknown, _context: unknown) {
  return value as never;
}
export const decorated = model((x: Vector) => {
  class Decorated {
    @decorate
    forward(y: Vector) {
      return y;
    }
  }
  return new Decorated().forward(x);
});
