"""Writes the files that NumPy and safetensors make themselves, and expected.json, which says what is in them.

    python -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python generate.py

With a folder as argument it reads instead: every .npy, .npz and .safetensors file there, and prints what NumPy and safetensors
find in them, in the form of expected.json; test/files/python.test.ts gives it files of ours where Python is at hand.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

names = {
    "float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "int64": "i64", "int32": "i32", "int8": "i8",
    "uint32": "u32", "uint8": "u8", "bool": "bool",
}


def bits(array):
    """The elements of an array, row by row, as the hexadecimal digits of their bytes, smallest byte first."""
    little = array.astype(array.dtype.newbyteorder("<")) if array.dtype.byteorder == ">" else array
    return little.tobytes(order="C").hex()


def describe(array):
    return {"dtype": names[array.dtype.name], "shape": list(array.shape), "bits": bits(array)}


def samples():
    """One array for each dtype, with the numbers at its ends."""
    generator = np.random.default_rng(4)
    floats = generator.normal(size=(2, 3, 4))
    floats.reshape(-1)[:6] = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-42]
    arrays = {name: floats.astype(name) for name in ("float64", "float32", "float16")}
    arrays["bfloat16"] = floats.astype(ml_dtypes.bfloat16)
    for name in ("int64", "int32", "int8", "uint32", "uint8"):
        ends = np.iinfo(name)
        arrays[name] = np.array([[ends.min, ends.max, 1], [0, 2, ends.max - 1]], dtype=name)
    arrays["bool"] = np.array([True, False, False, True, True])
    return arrays


def write_npy(folder):
    """Every dtype that NumPy has, in both orders of bytes and of axes, in every version; ranks and sizes at their ends."""
    arrays = {}
    for name, array in samples().items():
        if name == "bfloat16":
            continue
        arrays[names[name]] = (array, None)
        if array.dtype.itemsize > 1:
            arrays[f"{names[name]}-big-endian"] = (array.astype(array.dtype.newbyteorder(">")), None)
        if array.ndim > 1:
            arrays[f"{names[name]}-fortran"] = (np.asfortranarray(array), None)
    whole = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    arrays["big-endian-fortran"] = (np.asfortranarray(whole.astype(">i4")), None)
    arrays["version-2"] = (whole, (2, 0))
    arrays["version-3"] = (whole, (3, 0))
    arrays["rank-0"] = (np.array(-1.5, dtype=np.float32), None)
    arrays["empty"] = (np.zeros((3, 0, 2), dtype=np.float32), None)
    arrays["one-axis"] = (np.array([1, 2, 3], dtype=np.uint8), None)
    arrays["refused-records"] = (np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]), None)
    arrays["refused-complex"] = (np.zeros(2, dtype=np.complex64), None)
    arrays["refused-text"] = (np.array(["a", "bc"]), None)
    arrays["refused-int16"] = (np.zeros(2, dtype=np.int16), None)
    expected = {}
    for name, (array, version_) in arrays.items():
        with open(folder / f"{name}.npy", "wb") as file:
            np.lib.format.write_array(file, array, version=version_, allow_pickle=False)
        expected[f"{name}.npy"] = "refused" if name.startswith("refused") else describe(array)
    return expected


def write_safetensors(folder):
    arrays = {names[name]: array for name, array in samples().items()}
    arrays["layers.0.weight"] = np.arange(6, dtype=np.float32).reshape(2, 3)
    arrays["scalar"] = np.array(7, dtype=np.int32)
    arrays["empty"] = np.zeros((0, 4), dtype=np.float32)
    arrays["größe ☃"] = np.array([1.0], dtype=np.float64)
    metadata = {"format": "np", "note": "a \"quoted\" text,\nof two lines ☃"}
    save_file(arrays, folder / "all.safetensors", metadata)
    save_file({}, folder / "none.safetensors")
    save_file({"w": np.zeros(2, dtype=ml_dtypes.float8_e4m3fn)}, folder / "refused-f8.safetensors")
    save_file({"w": np.zeros(2, dtype=np.uint16)}, folder / "refused-u16.safetensors")
    return {
        "all.safetensors": {"metadata": metadata, "tensors": {name: describe(array) for name, array in arrays.items()}},
        "none.safetensors": {"metadata": {}, "tensors": {}},
        "refused-f8.safetensors": "refused", "refused-u16.safetensors": "refused",
    }


def write_npz(folder):
    """As numpy.savez and numpy.savez_compressed write archives: every dtype that NumPy has, names with dots and letters of all kinds."""
    arrays = {names[name]: array for name, array in samples().items() if name != "bfloat16"}
    arrays["layers.0.weight"] = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    arrays["größe ☃"] = np.array(1.0)
    arrays["zeros"] = np.zeros((0, 4), dtype=np.float32)
    np.savez(folder / "all.npz", **arrays)
    np.savez_compressed(folder / "compressed.npz", **arrays)
    np.savez(folder / "refused-int16.npz", np.zeros(2, dtype=np.int16))
    described = {name: describe(array) for name, array in arrays.items()}
    return {
        "all.npz": {"metadata": {}, "tensors": described}, "compressed.npz": {"metadata": {}, "tensors": described},
        "refused-int16.npz": "refused",
    }


def read(folder):
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".npy":
            found[path.name] = describe(np.load(path, allow_pickle=False))
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                found[path.name] = {"metadata": {}, "tensors": {name: describe(array) for name, array in file.items()}}
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="numpy") as file:
                tensors = {name: describe(file.get_tensor(name)) for name in file.keys()}
                found[path.name] = {"metadata": file.metadata() or {}, "tensors": tensors}
    return found


if len(sys.argv) > 1:
    print(json.dumps(read(Path(sys.argv[1]))))
else:
    here = Path(__file__).parent
    files = {**write_npy(here), **write_npz(here), **write_safetensors(here)}
    versions = {name: version(name) for name in ("ml_dtypes", "numpy", "safetensors")}
    (here / "expected.json").write_text(json.dumps({"versions": versions, "files": files}, indent=1, ensure_ascii=False) + "\n")
