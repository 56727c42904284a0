"""JAX as a peer of the bench: requests are lines of JSON on standard input, answers are lines of JSON on standard output.

    {"op": "open", "batch", "stepsPerCall", "timedRate", "images", "labels", "weights", "shapes", "momentum"}
    {"op": "learn", "steps", "rate"}                -> {"losses", "weights"}
    {"op": "time", "milliseconds", "readsLoss"}     -> {"times"}: milliseconds of each call
    {"op": "cores"}                                 -> {"cores"}: processor time of all timed calls, over their time

Arrays travel as base64 of their bytes. Calls are timed here, so the way between the processes is not. The environment
(NPROC, PJRT_NPROC), set by the bench, says how many threads XLA makes.
"""

import base64
import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np


def mean_loss(weights, images, labels):
    w1, b1, w2, b2 = weights
    hidden = jax.nn.relu(images @ w1 + b1)
    log_probabilities = jax.nn.log_softmax(hidden @ w2 + b2)
    return -jnp.take_along_axis(log_probabilities, labels[:, None], axis=1).mean()


def make_step(momentum):
    def step(state, images, labels, rate):
        weights, velocities = state
        loss, gradients = jax.value_and_grad(mean_loss)(weights, images, labels)
        velocities = [momentum * v + g for v, g in zip(velocities, gradients)]
        weights = [w - rate * v for w, v in zip(weights, velocities)]
        return (weights, velocities), loss

    # The state is donated, as ours is.
    return jax.jit(step, donate_argnums=0)


class Peer:
    def __init__(self, request):
        decode = lambda text, dtype: np.frombuffer(base64.b64decode(text), dtype)
        self.batch = request["batch"]
        self.images = decode(request["images"], np.float32).reshape(self.batch, -1)
        self.labels = decode(request["labels"], np.int32)
        self.start = [decode(w, np.float32).reshape(shape) for w, shape in zip(request["weights"], request["shapes"])]
        self.steps_per_call = request["stepsPerCall"]
        self.rate = np.float32(request["timedRate"])
        self.step = make_step(request["momentum"])
        self.state = self.fresh()
        self.busy = self.elapsed = 0.0

    def fresh(self):
        # copy=True: donation must not write into what the next lesson starts from.
        return ([jnp.array(w, copy=True) for w in self.start], [jnp.zeros_like(w) for w in self.start])

    def learn(self, steps, rate):
        state, losses = self.fresh(), []
        for _ in range(steps):
            state, loss = self.step(state, self.images, self.labels, np.float32(rate))
            losses.append(float(loss))
        encode = lambda w: base64.b64encode(np.asarray(w).tobytes()).decode()
        return {"losses": losses, "weights": [encode(w) for w in state[0]]}

    def call(self, reads_loss):
        loss = None
        for _ in range(self.steps_per_call):
            self.state, loss = self.step(self.state, self.images, self.labels, self.rate)
            if reads_loss:
                float(loss)
        float(loss)

    def time(self, milliseconds, reads_loss):
        self.call(reads_loss)
        busy, start = time.process_time(), time.perf_counter()
        times, end = [], start + milliseconds / 1000
        while len(times) < 2 or time.perf_counter() < end:
            before = time.perf_counter()
            self.call(reads_loss)
            times.append((time.perf_counter() - before) * 1000)
        self.busy += time.process_time() - busy
        self.elapsed += time.perf_counter() - start
        return {"times": times}


def main():
    peer = None
    for line in sys.stdin:
        request = json.loads(line)
        match request["op"]:
            case "open":
                peer = Peer(request)
                answer = {"version": jax.__version__, "platform": jax.devices()[0].platform}
            case "learn":
                answer = peer.learn(request["steps"], request["rate"])
            case "time":
                answer = peer.time(request["milliseconds"], request["readsLoss"])
            case "cores":
                answer = {"cores": peer.busy / peer.elapsed}
            case op:
                raise ValueError(f"there is no request {op!r}")
        print(json.dumps(answer), flush=True)


main()
