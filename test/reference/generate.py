"""Writes fixtures.json: what JAX computes, in doubles, for the models of models.ts, and gradients with it.

    python -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python generate.py

Inputs are drawn as f32, so that both sides start from the same numbers. The file is committed; CI does not need Python.
"""

import json
import platform
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import numpy as np
import optax

generator = np.random.default_rng(20)


def floats(*shape, scale=1.0):
    """Normal numbers that an f32 holds exactly."""
    return jnp.asarray(np.float32(generator.normal(size=shape) * scale), dtype=jnp.float64)


def integers(high, *shape):
    return jnp.asarray(generator.integers(0, high, size=shape), dtype=jnp.int32)


def gradients(loss, *args):
    return jax.grad(loss, argnums=tuple(range(len(args))))(*args)


def cross_entropy(logits, labels):
    each = lambda x: -jax.nn.log_softmax(x)[jnp.arange(labels.shape[0]), labels]
    value, gradient = jax.value_and_grad(lambda x: each(x).mean())(logits)
    return {"each": each(logits), "value": value, "gradient": gradient}


def log_softmax(x, weight):
    return {
        "rows": jax.nn.log_softmax(x), "columns": jax.nn.log_softmax(x, axis=0), "softmax": jax.nn.softmax(x),
        "gradient": jax.grad(lambda y: (jax.nn.log_softmax(y) * weight).sum())(x),
        "softmaxGradient": jax.grad(lambda y: (jax.nn.softmax(y, axis=0) * weight).sum())(x),
    }


def layer_norm(x, gain, bias, weight):
    def norm(y, g, b):
        variance = y.var(axis=-1, keepdims=True)
        return (y - y.mean(axis=-1, keepdims=True)) / jnp.sqrt(variance + 1e-5) * g + b

    dx, dgain, dbias = gradients(lambda y, g, b: (norm(y, g, b) * weight).sum(), x, gain, bias)
    return {"out": norm(x, gain, bias), "x": dx, "gain": dgain, "bias": dbias}


def gelu(x, weight):
    exact = lambda y: jax.nn.gelu(y, approximate=False)
    return {
        "exact": exact(x), "exactGradient": jax.grad(lambda y: (exact(y) * weight).sum())(x),
        "tanh": jax.nn.gelu(x), "tanhGradient": jax.grad(lambda y: (jax.nn.gelu(y) * weight).sum())(x),
    }


def statistics(x, weight):
    return {
        "variance": x.var(axis=-1, ddof=1), "biased": x.var(axis=0), "std": x.std(axis=-1, ddof=1), "logSumExp": jax.nn.logsumexp(x, axis=-1),
        "varianceGradient": jax.grad(lambda y: (y.var(axis=-1, ddof=1) * weight).sum())(x),
        "stdGradient": jax.grad(lambda y: (y.std(axis=-1, ddof=1) * weight).sum())(x),
        "logSumExpGradient": jax.grad(lambda y: (jax.nn.logsumexp(y, axis=-1) * weight).sum())(x),
    }


def attention(q, k, v, weight):
    def attend(q, k, v):
        return jax.nn.softmax(q @ k.swapaxes(-1, -2) / 2.0) @ v

    dq, dk, dv = gradients(lambda *args: (attend(*args) * weight).sum(), q, k, v)
    return {"out": attend(q, k, v), "q": dq, "k": dk, "v": dv}


def matmul(a, b, shared):
    loss = lambda a, b, shared: jnp.sin(a @ b @ shared).sum()
    da, db, dshared = gradients(loss, a, b, shared)
    return {"out": a @ b @ shared, "a": da, "b": db, "shared": dshared}


def einsum(a, b, c):
    chain = lambda a, b, c: jnp.einsum("bij,kj,kl->bli", a, b, c)
    da, db, dc = gradients(lambda *args: jnp.sin(chain(*args)).sum(), a, b, c)
    return {"chain": chain(a, b, c), "a": da, "b": db, "c": dc, "outer": jnp.einsum("bij,kl->bijkl", a, c)[0, 0], "total": jnp.einsum("bij->", a)}


def cumsum(x, weight):
    return {
        "first": jnp.cumsum(x, axis=0), "last": jnp.cumsum(x, axis=1), "reverse": jnp.cumsum(x[:, ::-1], axis=1)[:, ::-1],
        "gradient": jax.grad(lambda y: (jnp.cumsum(y * y, axis=1) * weight).sum())(x),
    }


def embedding(table, ids, weight):
    rows = lambda t: t[ids]
    return {
        "rows": rows(table), "gradient": jax.grad(lambda t: (jnp.sin(rows(t)) * weight).sum())(table),
        "columns": jnp.take(table, ids[0], axis=1), "added": table.at[ids.reshape(-1)].add(weight.reshape(-1, weight.shape[-1])),
    }


def perceptron(x, w1, b1, w2, b2, labels):
    def loss(w1, b1, w2, b2):
        logits = jax.nn.relu(x @ w1 + b1) @ w2 + b2
        return -jax.nn.log_softmax(logits)[jnp.arange(labels.shape[0]), labels].mean()

    dw1, db1, dw2, db2 = gradients(loss, w1, b1, w2, b2)
    return {"value": loss(w1, b1, w2, b2), "w1": dw1, "b1": db1, "w2": dw2, "b2": db2}


def five_steps(optimizer, params, x, y):
    state = optimizer.init(params)
    for _ in range(5):
        gradient = jax.grad(lambda p: ((x @ p["w"] + p["b"] - y) ** 2).mean())(params)
        updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    return params


def optimizers(w, b, x, y):
    chosen = {
        "sgd": optax.sgd(0.1), "momentum": optax.sgd(0.1, momentum=0.9), "nesterov": optax.sgd(0.1, momentum=0.8, nesterov=True),
        "adam": optax.adam(0.01), "adamW": optax.adamw(0.02, b1=0.8, b2=0.99, weight_decay=0.1),
    }
    return {name: five_steps(optimizer, {"w": w, "b": b}, x, y) for name, optimizer in chosen.items()}


def per_example(x, w1, b1, w2, b2, labels):
    def loss(w1, b1, w2, b2, x, label):
        return -jax.nn.log_softmax(jax.nn.relu(x @ w1 + b1) @ w2 + b2)[label]

    dw1, db1, dw2, db2 = jax.vmap(jax.grad(loss, argnums=(0, 1, 2, 3)), in_axes=(None, None, None, None, 0, 0))(w1, b1, w2, b2, x, labels)
    norms = sum((d**2).reshape(x.shape[0], -1).sum(axis=1) for d in (dw1, db1, dw2, db2))
    return {"w1": dw1, "b1": db1, "w2": dw2, "b2": db2, "norms": norms}


def mapped(tables, ids, points, weight):
    rows = jax.vmap(lambda table, i: table[i], in_axes=(0, 1), out_axes=2)
    distance = lambda a, b: (jnp.abs(a - b) * weight).sum()
    wave = lambda p: (jnp.sin(p * weight) * jnp.cumsum(p)).sum()
    return {
        "rows": rows(tables, ids), "tables": jax.grad(lambda t: jnp.sin(rows(t, ids)).sum())(tables),
        "pairs": jax.vmap(jax.vmap(distance, in_axes=(None, 0)), in_axes=(0, None), out_axes=1)(points, points),
        "along": jax.vmap(lambda p: jax.jvp(wave, (p,), (weight,))[1])(points),
        "hessians": jax.vmap(jax.hessian(wave))(points),
        "columns": jax.vmap(jax.nn.softmax, in_axes=1, out_axes=1)(points),
        "largest": jax.vmap(lambda p: points[jnp.argmax(points @ p)])(points),
    }


cases = {
    "crossEntropy": (cross_entropy, floats(5, 7, scale=3), integers(7, 5)),
    "logSoftmax": (log_softmax, floats(6, 10, scale=3), floats(6, 10)),
    "norm": (layer_norm, floats(4, 17), floats(17), floats(17), floats(4, 17)),
    "gelu": (gelu, floats(37, scale=2), floats(37)),
    "statistics": (statistics, floats(5, 9), floats(5)),
    "attention": (attention, floats(2, 3, 4), floats(2, 5, 4), floats(2, 5, 6), floats(2, 3, 6)),
    "matmul": (matmul, floats(2, 3, 4), floats(2, 4, 5), floats(5, 6, scale=0.3)),
    "sums": (einsum, floats(2, 3, 4), floats(5, 4), floats(5, 3, scale=0.3)),
    "running": (cumsum, floats(4, 7), floats(4, 7)),
    "rows": (embedding, floats(6, 4), integers(4, 2, 3), floats(2, 3, 4)),
    "perceptron": (perceptron, floats(9, 12), floats(12, 20, scale=0.3), floats(20, scale=0.1), floats(20, 4, scale=0.3), floats(4, scale=0.1), integers(4, 9)),
    "optimizers": (optimizers, floats(6, 3), floats(3), floats(8, 6), floats(8, 3)),
    "perExample": (per_example, floats(9, 12), floats(12, 20, scale=0.3), floats(20, scale=0.1), floats(20, 4, scale=0.3), floats(4, scale=0.1), integers(4, 9)),
    "mapped": (mapped, floats(3, 5, 4), integers(5, 2, 3), floats(6, 4), floats(4)),
}


def array(value):
    value = np.asarray(value)
    is_float = np.issubdtype(value.dtype, np.floating)
    data = [float(f"{x:.9g}") for x in value.reshape(-1)] if is_float else [int(x) for x in value.reshape(-1)]
    return {"dtype": "f32" if is_float else "i32", "shape": list(value.shape), "data": data}


def tree(value):
    return {name: tree(item) for name, item in value.items()} if isinstance(value, dict) else array(value)


versions = {"python": platform.python_version(), "jax": jax.__version__, "optax": optax.__version__, "numpy": np.__version__}
lines = [f'    {json.dumps(name)}: {json.dumps({"inputs": [array(x) for x in inputs], "results": tree(compute(*inputs))})}' for name, (compute, *inputs) in cases.items()]
text = '{\n  "versions": ' + json.dumps(versions) + ',\n  "cases": {\n' + ",\n".join(lines) + "\n  }\n}\n"
(Path(__file__).parent / "fixtures.json").write_text(text)
