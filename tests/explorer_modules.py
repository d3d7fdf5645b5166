"""The explorer's modules as files, programs that node runs with them, and runs to explore."""

import json
import shutil
import subprocess
from dataclasses import asdict

import pytest
import safetensors.torch
import torch
from tiny_runs import baseline

from fdd.explorer.modules import PURE, module


def write_modules(folder):
    """The pure modules as ES modules in a folder."""
    (folder / "package.json").write_text('{"type": "module"}')
    for name in PURE:
        (folder / f"{name}.js").write_text(module(name), encoding="utf-8")


def run_node(folder, program, given):
    """What a program makes of `given`, both by JSON: its body is that of a function of `given`.

    The names of all pure modules are there, as `modules.sines.sin`.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    imports = "".join(f"import * as {name} from './{name}.js';\n" for name in PURE)
    text = f"""import {{ readFileSync, writeFileSync }} from "node:fs";
import {{ createHash }} from "node:crypto";
import {{ gunzipSync }} from "node:zlib";
{imports}const modules = {{ {", ".join(PURE)} }};
const bufferOf = (bytes) => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
const sha256 = (array) => createHash("sha256").update(Buffer.from(array.buffer)).digest("hex");
const answer = ((given) => {{ {program} }})(JSON.parse(readFileSync("given.json")));
writeFileSync("answer.json", JSON.stringify(answer));
"""
    (folder / "program.js").write_text(text)
    (folder / "given.json").write_text(json.dumps(given))
    done = subprocess.run([node, "program.js"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "answer.json").read_text())


def write_run(folder, name, **options):
    """A run whose weights are random, and such that half precision holds them exactly."""
    config = baseline(name).config_type(**options)
    rng = torch.Generator().manual_seed(0)
    network = baseline(name)(config, rng)
    weights = {}
    for key, weight in network.state_dict().items():
        if weight.is_floating_point():
            noise = 0.1 * torch.randn(weight.shape, generator=rng)
            moved = (weight + (noise.abs() if "var" in key else noise)).half()
            weight = moved.to(weight.dtype)
        weights[key] = weight.contiguous()
    last = folder / "checkpoints" / "last"
    last.mkdir(parents=True)
    safetensors.torch.save_file(weights, last / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"baseline": name, **asdict(config)}))
    return folder
