/**
 * Derivatives of functions of trees. The compiler knows these functions by name and differentiates the IR of what they
 * are given; called as plain JavaScript they run the function and follow its ops (eager/differentiate.ts).
 */

import type { DTypeName, Tensor as Handle } from "tsdlc-runtime";
import { differentiate, forward, type Options } from "./eager/differentiate.ts";
import { callWithRule } from "./eager/custom-rule.ts";
import { primitive } from "./primitive.ts";
import type { Shape } from "./shape.ts";
import type { Float, Tensor } from "./tensor.ts";

/** A function whose result can be differentiated: one float, or with `aux` one float and anything else. */
type Loss = (...args: never[]) => Handle<[], Float>;
type LossWithAux = (...args: never[]) => readonly [Handle<[], Float>, unknown];

/** Which arguments to differentiate by: the first when absent; a list gives a list of gradients. */
export type Wrt = number | readonly number[];

export interface GradOptions<W extends Wrt> {
  readonly wrt?: W;
  readonly aux?: false;
}

export interface GradAuxOptions<W extends Wrt> {
  readonly wrt?: W;
  /** The function returns [loss, aux]: the second part is passed through and not differentiated. */
  readonly aux: true;
}

/** The gradient has the type of the argument, tree for tree. */
export type GradientOf<F extends (...args: never[]) => unknown, W extends Wrt> = W extends number
  ? Parameters<F>[W]
  : { -readonly [K in keyof W]: Parameters<F>[W[K] & number] };

/**
 * The function that returns the value of `fn` and its gradient: [value, gradient], or [[value, aux], gradient].
 *
 *     const [value, g] = valueAndGrad(loss)(params, x, y);
 */
export function valueAndGrad<F extends Loss, const W extends Wrt = 0>(fn: F, options?: GradOptions<W>): (...args: Parameters<F>) => [ReturnType<F>, GradientOf<F, W>];
export function valueAndGrad<F extends LossWithAux, const W extends Wrt = 0>(fn: F, options: GradAuxOptions<W>): (...args: Parameters<F>) => [ReturnType<F>, GradientOf<F, W>];
export function valueAndGrad(fn: (...args: never[]) => unknown, options: Options = {}): (...args: unknown[]) => [unknown, unknown] {
  return (...args) => {
    const { value, gradient } = differentiate("valueAndGrad", fn, options, args);
    return [value, gradient];
  };
}

/** The function that returns the gradient of `fn`, or [gradient, aux]. */
export function grad<F extends Loss, const W extends Wrt = 0>(fn: F, options?: GradOptions<W>): (...args: Parameters<F>) => GradientOf<F, W>;
export function grad<F extends LossWithAux, const W extends Wrt = 0>(fn: F, options: GradAuxOptions<W>): (...args: Parameters<F>) => [GradientOf<F, W>, ReturnType<F>[1]];
export function grad(fn: (...args: never[]) => unknown, options: Options = {}): (...args: unknown[]) => unknown {
  return (...args) => {
    const { value, gradient } = differentiate("grad", fn, options, args);
    return options.aux === true ? [gradient, (value as readonly unknown[])[1]] : gradient;
  };
}

/** The result of `fn` and its derivative along the tangents, which have the types of the primals: [result, tangent]. */
export function jvp<F extends (...args: never[]) => unknown>(fn: F, primals: Readonly<Parameters<F>>, tangents: Readonly<Parameters<F>>): [ReturnType<F>, ReturnType<F>];
export function jvp(fn: (...args: never[]) => unknown, primals: readonly unknown[], tangents: readonly unknown[]): readonly [unknown, unknown] {
  return forward(fn, primals, tangents);
}

/**
 * `fn` with a gradient of one's own. The rule takes the cotangent of the result, in the form of the result, then the
 * result, then the arguments, and returns a list with a gradient for each argument, or undefined where there is none.
 * Both may be any JavaScript when ops run one by one. Gradients that are taken in a jitted function are compiled with the
 * rule; for one that is taken outside, the jitted function runs op by op.
 *
 *     const clipped = customGrad((x: Tensor<[8]>) => x.mul(1), (g) => [g.clamp(-1, 1)]);
 *
 * Not compiled inside of a built model yet.
 */
export function customGrad<A extends unknown[], R>(fn: (...args: A) => R, rule: (cotangent: R, result: R, ...args: A) => readonly (A[number] | undefined)[]): (...args: A) => R {
  return (...args) => callWithRule(fn, rule, args);
}

/** x, as a constant: nothing is differentiated through it. */
export function stopGradient<S extends Shape, D extends DTypeName>(x: Tensor<S, D>): Tensor<S, D> {
  return primitive("stopGradient", x);
}
