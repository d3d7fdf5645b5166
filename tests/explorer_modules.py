"""The explorer's modules as files, and a program that imports them, run by node."""

import json
import shutil
import subprocess

import pytest

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
{imports}const modules = {{ {", ".join(PURE)} }};
const sha256 = (array) => createHash("sha256").update(Buffer.from(array.buffer)).digest("hex");
const answer = ((given) => {{ {program} }})(JSON.parse(readFileSync("given.json")));
writeFileSync("answer.json", JSON.stringify(answer));
"""
    (folder / "program.js").write_text(text)
    (folder / "given.json").write_text(json.dumps(given))
    done = subprocess.run([node, "program.js"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "answer.json").read_text())
