"""PyTorch as a trainer on a GPU, with the requests of jax-peer.py: `torch-peer.py eager | compile [device]`.

Weights and velocities are updated in place, which is what PyTorch's own optimizers do; each step brings its batch from
the host. With "compile" the loss is a function for torch.compile, its gradients with it, and the update another. The
device is "cuda"; a test of this script without a GPU names "cpu".
"""

import base64
import json
import sys
import time

import numpy as np
import torch

device = sys.argv[2] if len(sys.argv) > 2 else "cuda"


def mean_loss(weights, images, labels):
    w1, b1, w2, b2 = weights
    hidden = torch.relu(images @ w1 + b1)
    return torch.nn.functional.cross_entropy(hidden @ w2 + b2, labels)


def move(weights, velocities, gradients, momentum, rate):
    for weight, velocity, gradient in zip(weights, velocities, gradients):
        velocity.mul_(momentum).add_(gradient)
        weight.sub_(rate * velocity)


class Peer:
    def __init__(self, request, compiles):
        torch.backends.cuda.matmul.allow_tf32 = False
        decode = lambda text, dtype: np.frombuffer(base64.b64decode(text), dtype)
        self.images = torch.from_numpy(decode(request["images"], np.float32).reshape(request["batch"], -1).copy())
        self.labels = torch.from_numpy(decode(request["labels"], np.int32).astype(np.int64))
        self.start = [torch.from_numpy(decode(w, np.float32).reshape(shape).copy()) for w, shape in zip(request["weights"], request["shapes"])]
        self.momentum, self.rate, self.steps_per_call = request["momentum"], request["timedRate"], request["stepsPerCall"]
        compiled = (lambda function: torch.compile(function, dynamic=False)) if compiles else (lambda function: function)
        self.loss, self.move = compiled(mean_loss), compiled(move)
        self.state = self.fresh()

    def fresh(self):
        # A copy: what the next lesson starts from stays as it is, on any device.
        weights = [w.to(device, copy=True).requires_grad_() for w in self.start]
        return weights, [torch.zeros_like(w, requires_grad=False) for w in weights]

    def step(self, state, rate):
        weights, velocities = state
        loss = self.loss(weights, self.images.to(device), self.labels.to(device))
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            self.move(weights, velocities, gradients, self.momentum, rate)
        return loss.detach()

    def learn(self, steps, rate):
        state, rate = self.fresh(), torch.tensor(rate, device=device)
        losses = [float(self.step(state, rate)) for _ in range(steps)]
        encode = lambda w: base64.b64encode(w.detach().cpu().numpy().tobytes()).decode()
        return {"losses": losses, "weights": [encode(w) for w in state[0]]}

    def call(self, reads_loss):
        rate = torch.tensor(self.rate, device=device)
        for _ in range(self.steps_per_call):
            loss = self.step(self.state, rate)
            if reads_loss:
                float(loss)
        float(loss)

    def time(self, milliseconds, reads_loss):
        self.call(reads_loss)
        times, end = [], time.perf_counter() + milliseconds / 1000
        while len(times) < 2 or time.perf_counter() < end:
            before = time.perf_counter()
            self.call(reads_loss)
            times.append((time.perf_counter() - before) * 1000)
        return {"times": times}


def main():
    peer = None
    for line in sys.stdin:
        request = json.loads(line)
        match request["op"]:
            case "open":
                peer = Peer(request, sys.argv[1] == "compile")
                answer = {"version": torch.__version__, "platform": device}
            case "learn":
                answer = peer.learn(request["steps"], request["rate"])
            case "time":
                answer = peer.time(request["milliseconds"], request["readsLoss"])
            case op:
                raise ValueError(f"there is no request {op!r}")
        print(json.dumps(answer), flush=True)


main()
