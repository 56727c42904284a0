"""What a small op costs in Python: requests and answers are lines of JSON, as for jax-peer.py.

    {"op": "open", "library"}                       -> {"version"}: "jax" or "torch"
    {"op": "time", "work", "count", "milliseconds"} -> {"times"}: milliseconds of each call of `count` repetitions

The works are those of eager.ts. Each waits for its last result, once for all repetitions.
"""

import json
import sys
import time


def jax_works():
    import jax
    import jax.numpy as jnp

    x, y = jnp.arange(16.0), jnp.ones(16)
    inputs, targets = jnp.ones((8, 16)) * 0.1, jnp.ones((8, 4))
    start = [jnp.full((16, 32), 0.01), jnp.zeros(32), jnp.full((32, 4), 0.01), jnp.zeros(4)]

    def loss(weights):
        w1, b1, w2, b2 = weights
        error = jax.nn.relu(inputs @ w1 + b1) @ w2 + b2 - targets
        return (error * error).mean()

    def train(count):
        weights = start
        for _ in range(count):
            _, gradients = jax.value_and_grad(loss)(weights)
            weights = [w - 0.01 * g for w, g in zip(weights, gradients)]
        weights[0].block_until_ready()

    fast = jax.jit(lambda a, b: a + b)

    def repeat(function):
        def run(count):
            result = None
            for _ in range(count):
                result = function(x, y)
            result.block_until_ready()

        return run

    return jax.__version__, {"add": repeat(lambda a, b: a + b), "train": train, "jit": repeat(fast)}


def torch_works():
    import torch

    torch.set_num_threads(1)
    x, y = torch.arange(16.0), torch.ones(16)
    inputs, targets = torch.full((8, 16), 0.1), torch.ones(8, 4)

    def add(count):
        for _ in range(count):
            x + y

    def train(count):
        weights = [torch.full((16, 32), 0.01), torch.zeros(32), torch.full((32, 4), 0.01), torch.zeros(4)]
        for w in weights:
            w.requires_grad_()
        for _ in range(count):
            w1, b1, w2, b2 = weights
            error = torch.relu(inputs @ w1 + b1) @ w2 + b2 - targets
            gradients = torch.autograd.grad((error * error).mean(), weights)
            with torch.no_grad():
                weights = [(w - 0.01 * g).requires_grad_() for w, g in zip(weights, gradients)]

    return torch.__version__, {"add": add, "train": train}


def main():
    works = {}
    for line in sys.stdin:
        request = json.loads(line)
        match request["op"]:
            case "open":
                version, works = {"jax": jax_works, "torch": torch_works}[request["library"]]()
                answer = {"version": version, "works": list(works)}
            case "time":
                work, count = works[request["work"]], request["count"]
                work(count)
                times, end = [], time.perf_counter() + request["milliseconds"] / 1000
                while len(times) < 2 or time.perf_counter() < end:
                    before = time.perf_counter()
                    work(count)
                    times.append((time.perf_counter() - before) * 1000)
                answer = {"times": times}
            case op:
                raise ValueError(f"there is no request {op!r}")
        print(json.dumps(answer), flush=True)


main()
