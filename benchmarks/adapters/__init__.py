"""Models of your own for the benchmark: functions, torch modules, ONNX files or stored codes.

May import: fdd, baselines, statistics.
"""

from benchmarks.adapters.functions import Adapted, StoredCodes, from_codes, from_functions
from benchmarks.adapters.loading import load_model, weights_sha256
from benchmarks.adapters.networks import from_onnx, from_torch

__all__ = [
    "Adapted",
    "StoredCodes",
    "from_codes",
    "from_functions",
    "from_onnx",
    "from_torch",
    "load_model",
    "weights_sha256",
]
