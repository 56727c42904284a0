/** A model of classes, as one writes it in PyTorch; class-models.test.ts runs it op by op, under jit, and built. */

import { mapTree, model, valueAndGrad, type Tensor } from "tsdlc";

abstract class Module {
  abstract forward(x: Tensor<["N", 4]>): Tensor<["N", 2]>;
  loss(x: Tensor<["N", 4]>, y: Tensor<["N", 2]>) {
    return this.forward(x).sub(y).square().mean();
  }
}

export class Linear<In extends number, Out extends number> {
  readonly w: Tensor<[In, Out]>;
  readonly b: Tensor<[Out]>;
  constructor(w: Tensor<[In, Out]>, b: Tensor<[Out]>) {
    this.w = w;
    this.b = b;
  }
  get weight() {
    return this.w.mul(Linear.gain);
  }
  forward(x: Tensor<["N", In]>) {
    return x.matmul(this.weight).add(this.b);
  }
  static readonly gain = 1.5;
}

export class Net extends Module {
  readonly layers: readonly [Linear<4, 8>, Linear<8, 2>];
  /** Running statistics: forward changes them. */
  mean: Tensor<[4]>;
  constructor(layers: readonly [Linear<4, 8>, Linear<8, 2>], mean: Tensor<[4]>) {
    super();
    this.layers = layers;
    this.mean = mean;
  }
  forward(x: Tensor<["N", 4]>) {
    const [first, second] = this.layers;
    return second.forward(first.forward(x.sub(this.mean)).tanh());
  }
  observe(x: Tensor<["N", 4]>): void {
    this.mean = this.mean.mul(0.5).add(x.mean(0).mul(0.5));
  }
}

export const predict = model((net: Net, x: Tensor<["N", 4]>) => {
  net.observe(x);
  return net.forward(x);
});

export const step = model((net: Net, x: Tensor<["N", 4]>, y: Tensor<["N", 2]>) => {
  const [loss, gradient] = valueAndGrad((own: Net) => own.loss(x, y))(net);
  const next = mapTree((p, d) => p.sub(d.mul(0.1)), net, gradient);
  return { loss, next, after: next.loss(x, y) };
});

class Cell {
  private readonly w: Tensor<[3]>;
  state: Tensor<[3]>;
  steps = 0;
  constructor(w: Tensor<[3]>, state: Tensor<[3]>) {
    this.w = w;
    this.state = state;
  }
  advance(x: Tensor<[3]>): this {
    this.state = this.state.mul(this.w).add(x).tanh();
    this.steps++;
    return this;
  }
  get loss() {
    return this.state.square().sum().mul(this.steps);
  }
}

/** The gradient through a loop of run time that changes an instance. */
export const unrolled = model((w: Tensor<[3]>, x: Tensor<[3]>, most: number) =>
  valueAndGrad((own: Tensor<[3]>) => {
    const cell = new Cell(own, x);
    while (cell.steps < most && cell.state.sum().item() < 2) cell.advance(x);
    return cell.loss;
  })(w));
