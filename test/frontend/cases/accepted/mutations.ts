import { model, valueAndGrad, type Tensor } from "tsdlc";

interface Statistics { mean: Tensor<[4]>; count: number }
interface Net { w: Tensor<[4]>; running: Statistics; history: [Tensor<[]>, Tensor<[]>] }

function normalize(net: Net, x: Tensor<["N", 4]>): Tensor<["N", 4]> {
  net.running.mean = net.running.mean.mul(0.9).add(x.mean(0).mul(0.1));
  net.running.count += 1;
  return x.sub(net.running.mean).mul(net.w);
}

/** An assignment to a field of a parameter is an extra result. */
export const forward = model((net: Net, x: Tensor<["N", 4]>) => {
  net.history[0] = net.history[1];
  return normalize(net, x);
});

/** Under a derivative it is an auxiliary result. */
export const step = model((net: Net, x: Tensor<["N", 4]>) => valueAndGrad((w: Tensor<[4]>, inner: Net) => normalize({ ...inner, w }, x).sum())(net.w, net));

/** A model that only assigns returns an object with no fields. */
export const reset = model((net: Net) => {
  net.running.count = 0;
});
