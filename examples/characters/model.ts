/**
 * A small transformer that reads text letter by letter and says what comes next: one block of causal attention and a
 * perceptron behind it, trained by AdamW with dropout. The data are character codes; anything beyond ASCII is unknown.
 */

import { arange, embedding, initial, layerNorm, model, ones, optim, random, type Tensor, valueAndGrad, where, zeros } from "tsdlc";

const letters = 128;
const context = 16;
const width = 32;
const heads = 4;

export interface Norm {
  gain: Tensor<[32]>;
  bias: Tensor<[32]>;
}

export interface Params {
  /** A row for each letter; what is predicted is held against the same rows. */
  letters: Tensor<[128, 32]>;
  positions: Tensor<[16, 32]>;
  /** To queries, keys and values, side by side. */
  look: Tensor<[32, 96]>;
  out: Tensor<[32, 32]>;
  up: Tensor<[32, 128]>;
  down: Tensor<[128, 32]>;
  beforeAttention: Norm;
  beforePerceptron: Norm;
  last: Norm;
}

export interface State {
  params: Params;
  moments: { step: Tensor<[]>; mean: Params; square: Params };
}

type Hidden = Tensor<["N", 16, 32]>;

function normalized(norm: Norm, x: Hidden): Hidden {
  return layerNorm(x, norm.gain, norm.bias);
}

/** Each position looks at itself and at those before it (Vaswani et al., 2017, section 3.2). */
function attention(p: Params, x: Hidden): Hidden {
  const [queries, keys, values] = x.matmul(p.look).chunk(3, -1);
  const split = (y: Hidden) => y.reshape([x.shape[0], context, heads, width / heads]).permute([0, 2, 1, 3]);
  const scores = split(queries).matmul(split(keys).transpose(-1, -2)).mul(Math.sqrt(heads / width));
  const isPast = arange(context).unsqueeze(1).ge(arange(context));
  const mixed = where(isPast, scores, -Infinity).softmax().matmul(split(values));
  return mixed.permute([0, 2, 1, 3]).reshape([x.shape[0], context, width]).matmul(p.out);
}

/** `drop` is what is done to what a layer adds: dropout while training. */
function logits(p: Params, text: Tensor<["N", 16], "i32">, drop: (x: Hidden, layer: number) => Hidden): Tensor<["N", 16, 128]> {
  let x: Hidden = embedding(p.letters, text).add(p.positions);
  x = x.add(drop(attention(p, normalized(p.beforeAttention, x)), 0));
  x = x.add(drop(normalized(p.beforePerceptron, x).matmul(p.up).gelu("tanh").matmul(p.down), 1));
  return normalized(p.last, x).matmul(p.letters.transpose(0, 1));
}

function meanLoss(p: Params, text: Tensor<["N", 17], "i32">, key: random.Key): Tensor<[]> {
  const drop = (x: Hidden, layer: number): Hidden => x.dropout(random.foldIn(key, layer), 0.1);
  return logits(p, text.narrow(1, 0, context), drop).softmaxCrossEntropy(text.narrow(1, 1, context)).mean();
}

export const init = model((key: random.Key): State => {
  const keys = random.split(key, 6);
  const norm = (): Norm => ({ gain: ones([width]), bias: zeros([width]) });
  const params: Params = {
    letters: random.normal(keys[0], [letters, width]).mul(0.1),
    positions: random.normal(keys[1], [context, width]).mul(0.1),
    look: initial.xavierUniform(keys[2], [width, 3 * width]),
    out: initial.xavierUniform(keys[3], [width, width]),
    up: initial.xavierUniform(keys[4], [width, 4 * width]),
    down: initial.xavierUniform(keys[5], [4 * width, width]),
    beforeAttention: norm(), beforePerceptron: norm(), last: norm(),
  };
  return { params, moments: optim.adamW().init(params) };
});

/** How likely each letter is to follow the text. */
export const next = model((params: Params, text: Tensor<["N", 16], "i32">) => logits(params, text, (x) => x).select(1, context - 1).softmax());

/** One step of training on lines of 17 letters, each of which is to be told from those before it. */
export const step = model(
  (state: State, text: Tensor<["N", 17], "i32">, key: random.Key, learningRate: Tensor<[]>) => {
    const [loss, gradients] = valueAndGrad(meanLoss)(state.params, text, key);
    const { params, state: moments } = optim.adamW({ learningRate }).update(state.params, gradients, state.moments);
    return { state: { params, moments }, loss };
  },
  { donate: [0] },
);
