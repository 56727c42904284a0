import { constant, mapTree, model, valueAndGrad, type Tensor } from "tsdlc";

/** A layer: needs no base class of the library. */
class Linear<In extends number, Out extends number> {
  static readonly gain = constant([2]);
  /** The matrix. */
  readonly w: Tensor<[In, Out]>;
  readonly b: Tensor<[Out]>;
  constructor(w: Tensor<[In, Out]>, b: Tensor<[Out]>) {
    this.w = w;
    this.b = b;
  }
  forward(x: Tensor<["N", In]>) {
    return x.matmul(this.w).add(this.b);
  }
  get norm() {
    return this.w.square().sum().add(this.b.square().sum()).mul(Linear.gain);
  }
}

abstract class Module {
  rate!: Tensor<[]>;
  abstract forward(x: Tensor<["N", 4]>): Tensor<["N", 2]>;
  loss(x: Tensor<["N", 4]>, y: Tensor<["N", 2]>) {
    return this.forward(x).sub(y).square().mean();
  }
}

class Net extends Module {
  readonly layers: readonly [Linear<4, 8>, Linear<8, 2>];
  constructor(layers: readonly [Linear<4, 8>, Linear<8, 2>], rate: Tensor<[]>) {
    super();
    this.layers = layers;
    this.rate = rate;
  }
  forward(x: Tensor<["N", 4]>) {
    const [first, second] = this.layers;
    return second.forward(first.forward(x).tanh());
  }
  override loss(x: Tensor<["N", 4]>, y: Tensor<["N", 2]>) {
    return super.loss(x, y).add(this.layers[0].norm.mul(0.01).sum());
  }
}

/** A parameter whose type is a class comes as an instance, its fields in the order in which JavaScript makes them. */
export const predict = model((net: Net, x: Tensor<["N", 4]>) => net.forward(x));

/** Gradients and mapTree keep what is an instance one. */
export const step = model((net: Net, x: Tensor<["N", 4]>, y: Tensor<["N", 2]>) => {
  const [loss, gradient] = valueAndGrad((own: Net) => own.loss(x, y))(net);
  const next = mapTree((p, d) => p.sub(d.mul(0.1)), net, gradient);
  return { loss, next: next instanceof Net ? next : net, after: next.loss(x, y) };
});

class Relu {
  forward(x: Tensor<["N", 8]>) {
    return x.relu();
  }
}
class Scale {
  constructor(readonly by: Tensor<[8]>, private readonly twice = by.mul(2)) {}
  forward(x: Tensor<["N", 8]>) {
    return x.mul(this.by).add(this.twice);
  }
}

/** A layer without weights is no parameter, and has its methods. */
export const sequence = model((layers: Readonly<{ list: readonly [Linear<4, 8>, Relu, Scale, Relu] }>, x: Tensor<["N", 4]>) => {
  const [first, ...others] = layers.list;
  const made = new Scale(first.b);
  return made.forward(others.reduce<Tensor<["N", 8]>>((y, layer) => layer.forward(y), first.forward(x)));
});

class Average {
  count: number;
  mean: Tensor<[4]>;
  constructor(count: number, mean: Tensor<[4]>) {
    this.count = count;
    this.mean = mean;
  }
  add(x: Tensor<[4]>): void {
    this.count++;
    this.mean = this.mean.add(x.sub(this.mean).div(this.count));
  }
}

/** What a method assigns to a parameter, the caller sees; in a loop of run time, fields are carried. */
export const observe = model((average: Average, x: Tensor<[4]>, most: number) => {
  while (average.count < most) {
    average.add(x);
    if (average.mean.max().item() > 1) break;
  }
});

/** An instance that is made in the model is a result. */
export const made = model((w: Tensor<[4, 8]>) => new Linear(w.neg(), w.sum(0)));
