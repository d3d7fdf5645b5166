"""Models of your own for the benchmark: functions, torch modules, ONNX files or stored codes.

    model = from_torch(encoder, generator, latent_size=16, pixels=(0, 1))
    model = load_model("exported/encoder.onnx")

A model is `latent_size` and three functions, each of which may be None: `encode` (images -> codes),
`generate` (codes -> images), `vectors` (raw parameters -> the codes that stand for them). Images
are uint8 [N, S, S, 3], codes real numbers [N, latent_size], parameters [N, 6].

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
