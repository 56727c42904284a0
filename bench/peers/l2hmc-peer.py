"""The step of examples/l2hmc in JAX, PyTorch or TensorFlow; which one, and how, is the argument: jax, torch, torch-compile,
tensorflow. The sampler is written once, over a few functions that each of them has. Requests are lines of JSON:

    {"op": "open", "count", "weights", "shapes", "chains", "fixed", "steps", "stepsPerCall", "timedRate"}
    {"op": "learn", "steps", "rate"}      -> {"losses"}
    {"op": "time", "milliseconds"}        -> {"times"}: milliseconds of each call

A call is stepsPerCall steps of training, and ends when the last loss is on the host. One thread.
"""

import base64
import json
import math
import os
import sys
import time

import numpy as np

PRECISION = np.array([[50.005, -49.995], [-49.995, 50.005]], np.float32)
SCALE, BURN_IN_WEIGHT = 0.1, 0.01
KEEP_MEAN, KEEP_SQUARE, EPS = 0.9, 0.999, 1e-8
PLACE, MOMENTUM, LOG_STEP = slice(0, 7), slice(7, 14), 14


class Sampler:
    """`xp` has exp, tanh, cos, sin, floor, abs, minimum, relu, where, concat(list, axis),
    total(x, axis) and repeat(steps, body, carries)."""

    def __init__(self, xp, precision, steps):
        self.xp, self.precision, self.steps = xp, precision, steps
        self.turn = self.leapfrog

    def apply(self, net, place, pull, clock):
        xp, (w1, b1, w2, b2, w3, b3, reach) = self.xp, net
        hidden = xp.relu(xp.concat([place, pull, clock], 1) @ w1 + b1)
        heads = xp.relu(hidden @ w2 + b2) @ w3 + b3
        reach = xp.exp(reach)
        return xp.tanh(heads[:, 0:2]) * reach[0], heads[:, 2:4], xp.tanh(heads[:, 4:6]) * reach[1]

    def move(self, x, s, push, d):
        xp = self.xp
        return x * xp.exp(s * d) + push * d * xp.exp(s * xp.minimum(d, 0.0 * d))

    def kick(self, params, x, v, log_determinant, clock, d):
        xp, eps = self.xp, self.xp.exp(params[LOG_STEP])
        pull = x @ self.precision
        stretch, shift, bend = self.apply(params[MOMENTUM], x, pull, clock)
        s = stretch * (0.5 * eps)
        push = (pull * xp.exp(bend * eps) + shift) * (-0.5 * eps)
        return x, self.move(v, s, push, d), log_determinant + xp.total(s, 1) * d[:, 0]

    def drift(self, params, x, v, log_determinant, mask, clock, d):
        xp, eps = self.xp, self.xp.exp(params[LOG_STEP])
        stretch, shift, bend = self.apply(params[PLACE], x * (1 - mask), v, clock)
        s = stretch * eps * mask
        push = (v * xp.exp(bend * eps) + shift) * eps * mask
        return self.move(x, s, push, d), v, log_determinant + xp.total(s, 1) * d[:, 0]

    def leapfrog(self, params, i, x, v, log_determinant, d):
        """Step i of a chain that goes forward, and the last but i of one that goes back."""
        xp, middle = self.xp, (self.steps - 1) / 2
        t = d * (i - middle) + middle
        angle = t * (2 * math.pi / self.steps)
        clock = xp.concat([xp.cos(angle), xp.sin(angle)], 1)
        odd = t - 2 * xp.floor(t * 0.5)
        second = xp.abs((d - 1) * -0.5 - odd)
        x, v, log_determinant = self.kick(params, x, v, log_determinant, clock, d)
        x, v, log_determinant = self.drift(params, x, v, log_determinant, xp.concat([1 - second, second], 1), clock, d)
        x, v, log_determinant = self.drift(params, x, v, log_determinant, xp.concat([second, 1 - second], 1), clock, d)
        return self.kick(params, x, v, log_determinant, clock, d)

    def energy(self, x, v):
        return 0.5 * self.xp.total(x * (x @ self.precision), 1) + 0.5 * self.xp.total(v * v, 1)

    def loss(self, params, chains, fresh, momentum, direction, acceptance):
        """The loss, and where the chains go."""
        xp, d, count = self.xp, direction, chains.shape[0]
        start = xp.concat([chains, fresh], 0)
        x, v, log_determinant = xp.repeat(self.steps, lambda i, phase: self.turn(params, i, *phase, d), (start, momentum, 0.0 * d[:, 0]))
        gain = self.energy(start, momentum) - self.energy(x, v) + log_determinant
        probability = xp.exp(xp.minimum(gain, 0.0 * gain))
        jump = xp.total((x - start) ** 2, 1) * probability + 1e-4
        each = SCALE / jump - jump / SCALE
        moved = xp.where((acceptance < probability)[:count, None], x[:count], chains)
        return (xp.total(each[:count], 0) + BURN_IN_WEIGHT * xp.total(each[count:], 0)) / count, moved


def adam(xp, weights, gradients, means, squares, count, rate):
    """Kingma, Ba, algorithm 1, as ours; the lists that are next."""
    means = [KEEP_MEAN * m + (1 - KEEP_MEAN) * g for m, g in zip(means, gradients)]
    squares = [KEEP_SQUARE * s + (1 - KEEP_SQUARE) * g * g for s, g in zip(squares, gradients)]
    share = lambda keep: 1 - xp.exp(count * math.log(keep))
    mean_share, square_share = share(KEEP_MEAN), share(KEEP_SQUARE)
    weights = [w - rate * (m / mean_share) / ((s / square_share) ** 0.5 + EPS) for w, m, s in zip(weights, means, squares)]
    return weights, means, squares


class Namespace:
    def __init__(self, **functions):
        self.__dict__.update(functions)


def repeat_here(steps, body, carries):
    for i in range(steps):
        carries = body(i, carries)
    return carries


class Jax:
    """jit of the whole step, its state donated; the leapfrog steps are a scan: XLA takes minutes for ten of them unrolled."""

    def __init__(self, request):
        import jax
        import jax.numpy as jnp

        self.version, self.jnp, self.request = jax.__version__, jnp, request

        def repeat(steps, body, carries):
            return jax.lax.scan(lambda state, i: (body(i, state), None), carries, jnp.arange(steps, dtype=jnp.float32))[0]

        xp = Namespace(exp=jnp.exp, tanh=jnp.tanh, cos=jnp.cos, sin=jnp.sin, floor=jnp.floor, abs=jnp.abs, minimum=jnp.minimum,
                       relu=jax.nn.relu, where=jnp.where, concat=jnp.concatenate, total=jnp.sum, repeat=repeat)
        sampler = Sampler(xp, jnp.asarray(PRECISION), request["steps"])
        self.fixed = [jnp.asarray(a) for a in request["fixed"]]

        def step(state, fixed, rate):
            weights, means, squares, count, chains = state
            (loss, moved), gradients = jax.value_and_grad(sampler.loss, has_aux=True)(weights, chains, *fixed)
            count = count + 1
            return (*adam(xp, weights, gradients, means, squares, count, rate), count, moved), loss

        self.jitted = jax.jit(step, donate_argnums=0)
        self.reset()

    def reset(self):
        copy = lambda a: self.jnp.array(a, copy=True)
        weights = [copy(w) for w in self.request["weights"]]
        zeros = lambda: [self.jnp.zeros_like(w) for w in weights]
        self.state = (weights, zeros(), zeros(), self.jnp.zeros(()), copy(self.request["chains"]))

    def step(self, rate):
        self.state, loss = self.jitted(self.state, self.fixed, np.float32(rate))
        return loss


class Torch:
    """Eager, or with torch.compile of a leapfrog step and so of its gradient (the whole loss takes it many minutes); Adam
    is torch.optim's fused one."""

    def __init__(self, request, compiles):
        import torch

        torch.set_num_threads(1)
        self.version, self.torch, self.request = torch.__version__, torch, request
        xp = Namespace(exp=torch.exp, tanh=torch.tanh, cos=torch.cos, sin=torch.sin, floor=torch.floor, abs=torch.abs,
                       minimum=torch.minimum, relu=torch.relu, where=torch.where, concat=torch.cat, total=torch.sum, repeat=repeat_here)
        sampler = Sampler(xp, torch.tensor(PRECISION), request["steps"])
        self.loss = sampler.loss
        if compiles:
            compiled = torch.compile(sampler.leapfrog, dynamic=False)
            # As tensors: it would compile once more for each number.
            counters = [torch.tensor(float(i)) for i in range(request["steps"])]
            sampler.turn = lambda params, i, *rest: compiled(params, counters[i], *rest)
        self.fixed = [torch.tensor(a) for a in request["fixed"]]
        self.reset()

    def reset(self):
        self.weights = [self.torch.tensor(w, requires_grad=True) for w in self.request["weights"]]
        self.chains = self.torch.tensor(self.request["chains"])
        self.optimizer = self.torch.optim.Adam(self.weights, lr=1e-3, eps=EPS, fused=True)

    def step(self, rate):
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss, moved = self.loss(self.weights, self.chains, *self.fixed)
        loss.backward()
        self.optimizer.step()
        self.chains = moved.detach()
        return loss


class TensorFlow:
    """tf.function of the whole step, on variables; the leapfrog steps are unrolled, as a Python range is."""

    def __init__(self, request):
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self.version, self.tf, self.request = tf.__version__, tf, request
        xp = Namespace(exp=tf.exp, tanh=tf.tanh, cos=tf.cos, sin=tf.sin, floor=tf.floor, abs=tf.abs, minimum=tf.minimum,
                       relu=tf.nn.relu, where=tf.where, concat=tf.concat, total=tf.reduce_sum, repeat=repeat_here)
        sampler = Sampler(xp, tf.constant(PRECISION), request["steps"])
        fixed = [tf.constant(a) for a in request["fixed"]]
        self.weights = [tf.Variable(w) for w in request["weights"]]
        self.moments = [[tf.Variable(tf.zeros_like(w)) for w in self.weights] for _ in range(2)]
        self.count, self.chains = tf.Variable(0.0), tf.Variable(request["chains"])

        @tf.function
        def step(rate):
            with tf.GradientTape() as tape:
                loss, moved = sampler.loss(self.weights, self.chains.read_value(), *fixed)
            gradients = tape.gradient(loss, self.weights)
            self.count.assign_add(1.0)
            following = adam(xp, self.weights, gradients, *self.moments, self.count, rate)
            for variables, values in zip([self.weights, *self.moments], following):
                for variable, value in zip(variables, values):
                    variable.assign(value)
            self.chains.assign(moved)
            return loss

        self.function = step

    def reset(self):
        for variable, value in zip(self.weights, self.request["weights"]):
            variable.assign(value)
        for variable in [*self.moments[0], *self.moments[1], self.count]:
            variable.assign(self.tf.zeros_like(variable))
        self.chains.assign(self.request["chains"])

    def step(self, rate):
        return self.function(self.tf.constant(rate, self.tf.float32))


def host(loss):
    return float(loss.detach() if hasattr(loss, "detach") else loss)


def make(backend, request):
    match backend:
        case "jax":
            return Jax(request)
        case "torch" | "torch-compile":
            return Torch(request, backend == "torch-compile")
        case "tensorflow":
            return TensorFlow(request)


def decode(text, shape):
    return np.frombuffer(base64.b64decode(text), np.float32).reshape(shape)


def main():
    peer = steps_per_call = rate = None
    for line in sys.stdin:
        request = json.loads(line)
        match request["op"]:
            case "open":
                count, steps_per_call, rate = request["count"], request["stepsPerCall"], request["timedRate"]
                request["weights"] = [decode(w, shape) for w, shape in zip(request["weights"], request["shapes"])]
                request["chains"] = decode(request["chains"], [count, 2])
                shapes = [[count, 2], [2 * count, 2], [2 * count, 1], [2 * count]]
                request["fixed"] = [decode(a, shape) for a, shape in zip(request["fixed"], shapes)]
                peer = make(sys.argv[1], request)
                answer = {"version": peer.version}
            case "learn":
                peer.reset()
                answer = {"losses": [host(peer.step(request["rate"])) for _ in range(request["steps"])]}
            case "time":
                answer = {"times": timed(peer, steps_per_call, rate, request["milliseconds"])}
        print(json.dumps(answer), flush=True)


def timed(peer, steps_per_call, rate, milliseconds):
    def call():
        for _ in range(steps_per_call):
            loss = peer.step(rate)
        host(loss)

    call()
    times, end = [], time.perf_counter() + milliseconds / 1000
    while len(times) < 2 or time.perf_counter() < end:
        before = time.perf_counter()
        call()
        times.append((time.perf_counter() - before) * 1000)
    return times


main()
