"""Compiles the renderer of every family, once for all processes of the tests.

Each would otherwise draw its first images by the reference, and begin to compile beside that.
"""

from fdd.attractors.families import FAMILIES
from fdd.attractors.params import uniform_params
from fdd.rendering import cpu, uncompiled
from fdd.rendering.drawing import Drawing

if __name__ == "__main__":
    points = 1000
    rows = uncompiled.MOST_POINTS // points + 1  # more than are drawn without compiled code
    for name in FAMILIES:
        cpu.render_cpu(Drawing(name, 128, points), uniform_params(rows, name))
    cpu.compile_for("fractal_dream", 128, 60000)  # and what selects among its candidates
    cpu.compile_for("fractal_dream", 300, 70_000)  # and what draws large images of many points
