"""PyTorch or JAX on a GPU as a peer of the bench: `gpu-peer.py torch | torch-compile | jax`.

Requests are lines of JSON on standard input, answers are lines of JSON on standard output:

    {"op": "describe"}                                     -> {"version", "device"}, or {"absent": why}
    {"op": "open", "kind", "shape", "format", "repeats"}   -> {}
    {"op": "sample", "positions"}                          -> {"values"}: of the result
    {"op": "time", "milliseconds"}                         -> {"times"}: milliseconds of each call

"kind" is matmul (of two squares), chain (tanh(2x + 1) * x) or softmax (along the last axis); "format" is f32, tf32 or
bf16, of the factors of a product. Calls come in groups of `repeats` that are waited for once, and a call counts as a part
of its group. Inputs are made here, by the formula of the bench (machine.ts).
"""

import json
import sys
import time


def host_input(shape):
    import numpy as np

    mixed = ((np.arange(np.prod(shape), dtype=np.uint64) * 40503) & 0xFFFFFFFF) >> 3
    return ((mixed % 2001) / 700 - 1.43).astype(np.float32).reshape(shape)


class Torch:
    def __init__(self, compiles):
        import torch

        self.torch, self.compiles = torch, compiles
        if not torch.cuda.is_available():
            raise RuntimeError("PyTorch finds no GPU")

    def describe(self):
        return {"version": f"PyTorch {self.torch.__version__}", "device": self.torch.cuda.get_device_name()}

    def open(self, kind, shape, format):
        torch = self.torch
        torch.backends.cuda.matmul.allow_tf32 = format == "tf32"
        x = torch.from_numpy(host_input(shape)).cuda()
        if format == "bf16":
            x = x.bfloat16()
        self.inputs = (x, x.clone()) if kind == "matmul" else (x,)
        function = {
            "matmul": lambda a, b: a @ b,
            "chain": lambda x: torch.tanh(x * 2 + 1) * x,
            "softmax": lambda x: torch.softmax(x, -1),
        }[kind]
        self.function = torch.compile(function, dynamic=False) if self.compiles else function

    def call(self):
        return self.function(*self.inputs)

    def wait(self, _result):
        self.torch.cuda.synchronize()

    def values(self, result, positions):
        return result.flatten()[self.torch.tensor(positions, device="cuda")].float().tolist()


class Jax:
    def __init__(self):
        import jax

        self.jax = jax
        if jax.devices()[0].platform != "gpu":
            raise RuntimeError("JAX finds no GPU")

    def describe(self):
        return {"version": f"JAX {self.jax.__version__}", "device": self.jax.devices()[0].device_kind}

    def open(self, kind, shape, format):
        jax, jnp = self.jax, self.jax.numpy
        x = jax.device_put(host_input(shape))
        if format == "bf16":
            x = x.astype(jnp.bfloat16)
        self.inputs = (x, jnp.copy(x)) if kind == "matmul" else (x,)
        precision = {"f32": "highest", "tf32": "tensorfloat32", "bf16": "default"}[format]
        self.function = jax.jit({
            "matmul": lambda a, b: jnp.matmul(a, b, precision=precision),
            "chain": lambda x: jnp.tanh(x * 2 + 1) * x,
            "softmax": lambda x: jax.nn.softmax(x, axis=-1),
        }[kind])

    def call(self):
        return self.function(*self.inputs)

    def wait(self, result):
        result.block_until_ready()

    def values(self, result, positions):
        return [float(value) for value in result.reshape(-1)[self.jax.numpy.array(positions)]]


def time_calls(peer, repeats, milliseconds):
    def group():
        for _ in range(repeats):
            result = peer.call()
        peer.wait(result)

    group()
    times, end = [], time.perf_counter() + milliseconds / 1000
    while len(times) < 2 or time.perf_counter() < end:
        before = time.perf_counter()
        group()
        times.append((time.perf_counter() - before) * 1000 / repeats)
    return times


def main():
    peer, absent = None, None
    try:
        peer = {"torch": lambda: Torch(False), "torch-compile": lambda: Torch(True), "jax": Jax}[sys.argv[1]]()
    except (ImportError, RuntimeError) as error:
        absent = str(error).splitlines()[0]
    repeats = 1
    for line in sys.stdin:
        request = json.loads(line)
        match request["op"]:
            case "describe":
                answer = {"absent": absent} if peer is None else peer.describe()
            case "open":
                repeats = request["repeats"]
                peer.open(request["kind"], request["shape"], request["format"])
                answer = {}
            case "sample":
                answer = {"values": peer.values(peer.call(), request["positions"])}
            case "time":
                answer = {"times": time_calls(peer, repeats, request["milliseconds"])}
            case op:
                raise ValueError(f"there is no request {op!r}")
        print(json.dumps(answer), flush=True)


main()
