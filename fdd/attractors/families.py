"""Attractor families: equation, parameters, ranges and symmetries, each declared once.

A family's `step` is a plain function of x, y and the parameters after the starting point, with
`+ - * /` and the bare names `sin`, `cos`, `sqrt`, `fabs`, `sign` and `where_less`. Every backend
compiles that same function with the names bound to its own exact versions (see `bind`). Products
and sums are rounded one by one, in the order written.

The families and their equations are those of datashader's and HoloViz's attractor page (J. Bednar,
2018, with code of J. Rampe, F. Pacull and L. Alonso), operation by operation, except that some
products are commuted; x^2 is x * x. Each entry names its origin. docs/families.md shows them with
their ranges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from fdd.attractors.display import equation_lines, html_table, parameter_lines, text_table

Vector = tuple[float, ...]
Step = Callable[..., tuple[Any, Any]]


def _unbound(*arguments: Any) -> Any:
    raise NameError("bind this step to a backend's functions first (fdd.attractors.families.bind)")


sin = cos = sqrt = fabs = sign = where_less = _unbound


def bind(step: Step, **functions: Callable[..., Any]) -> Step:
    """The same step with its bare names (`sin`, ...) bound to a backend's functions."""
    assert isinstance(step, FunctionType)
    return FunctionType(step.__code__, {**functions}, step.__name__)


def _picture(image: Any) -> Any:
    return image


def _turned(image: Any) -> Any:
    return image[::-1, ::-1]


def _flipped(image: Any) -> Any:
    return image[::-1]


def _mirrored(image: Any) -> Any:
    return image[:, ::-1]


def _transposed(image: Any) -> Any:
    return image[::-1, ::-1].swapaxes(0, 1)


@dataclass(frozen=True)
class Symmetry:
    """A change of parameters with a known effect on the image.

    `effect` turns a counts or image array [H, W, ...] of the first vector into that of the
    second, which lies in the family's ranges as well. `exact` ones hold to the bit, up to points on
    the edge of a cell (cells are half-open, and the largest x and y fall one cell down); the others
    hold for the attractor, not for every point of one orbit.
    """

    name: str
    change: Callable[[Vector], Vector]
    effect: Callable[[Any], Any] = _picture
    exact: bool = True


@dataclass(frozen=True, repr=False)
class Family:
    """A two-dimensional map, `(x, y) -> step(x, y, *parameters)`, and what is known about it.

    `parameters` are the names of the latent vector, starting point first; `ranges` their closed
    intervals, inside which rendering is exact and from which draws are uniform; `whole` names the
    parameters that are whole numbers. `argument` bounds |x| in every sin(x) and cos(x) of an orbit:
    by the ranges if it is at most `fdd.arithmetic.sines.NARROW`, otherwise an orbit that exceeds it
    has no image. `imaged` is the least share of uniform draws that have an image (60,000 points).
    """

    name: str
    step: Step
    parameters: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]
    symmetries: tuple[Symmetry, ...]
    source: str
    imaged: float
    argument: float = 0.0
    whole: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return text_table([self.cells()])

    def _repr_html_(self) -> str:
        return html_table([self.cells()])

    def cells(self) -> tuple[list[str], list[str], list[str]]:
        """The lines of its name, parameters and equation, for a table."""
        parameters = parameter_lines(self.parameters, self.ranges, self.whole)
        return [self.name], parameters, equation_lines(self.step)


class Families(dict[str, Family]):
    """Families by name, which show themselves as a table."""

    def __repr__(self) -> str:
        return text_table([family.cells() for family in self.values()])

    def _repr_html_(self) -> str:
        return html_table([family.cells() for family in self.values()])


def clifford(x, y, a, b, c, d):
    return sin(a * y) + c * cos(a * x), sin(b * x) + d * cos(b * y)


def de_jong(x, y, a, b, c, d):
    return sin(a * y) - cos(b * x), sin(c * x) - cos(d * y)


def svensson(x, y, a, b, c, d):
    return d * sin(a * x) - sin(b * y), c * cos(a * x) + cos(b * y)


def fractal_dream(x, y, a, b, c, d):
    return sin(b * y) + c * sin(b * x), sin(a * x) + d * sin(a * y)


def bedhead(x, y, a, b):
    return sin(x * y / b) * y + cos(a * x - y), x + sin(y) / b


def hopalong_1(x, y, a, b, c):
    return y - sqrt(fabs(b * x - c)) * sign(x), a - x


def hopalong_2(x, y, a, b, c):
    return y - 1.0 - sqrt(fabs(b * x - 1.0 - c)) * sign(x - 1.0), a - x - 1.0


def gumowski_mira(x, y, a, b, mu):
    bend = 2.0 * (1.0 - mu)
    new_x = y + a * (1.0 - b * (y * y)) * y + (mu * x + bend * (x * x) / (1.0 + x * x))
    new_y = (mu * new_x + bend * (new_x * new_x) / (1.0 + new_x * new_x)) - x
    return new_x, new_y


def symmetric_icon(x, y, a, b, g, om, l, d):
    # z^(d - 1) with z = x + iy, for a degree d from 3 to 9
    real, imaginary = x * x - y * y, y * x + x * y
    for power in range(3, 9):
        next_real, next_imaginary = real * x - imaginary * y, imaginary * x + real * y
        real = where_less(power, d, next_real, real)
        imaginary = where_less(power, d, next_imaginary, imaginary)
    p = a * (x * x + y * y) + l + b * (x * real - y * imaginary)
    return p * x + g * real - om * y, p * y - g * imaginary + om * x


_START = ((-1.0, 1.0), (-1.0, 1.0))
_FOUR = ("x0", "y0", "a", "b", "c", "d")
# |sin|, |cos| <= 1 and |c|, |d| <= 3 keep |x| and |y| at most 1 + 3 (De Jong: 1 + 1), since
# rounding is monotonic; times a coefficient of at most 3 that is the `argument`, 12 (De Jong: 6).
_THREE_EACH = (*_START, (-3.0, 3.0), (-3.0, 3.0), (-3.0, 3.0), (-3.0, 3.0))

_FAMILIES = (
    Family(
        name="clifford",
        step=clifford,
        parameters=_FOUR,
        ranges=_THREE_EACH,
        symmetries=(
            Symmetry("rotation", lambda v: (-v[0], -v[1], v[2], v[3], -v[4], -v[5]), _turned),
            Symmetry("transposition", lambda v: (v[1], v[0], v[3], v[2], v[5], v[4]), _transposed),
            Symmetry("flip", lambda v: (v[0], -v[1], -v[2], -v[3], v[4], -v[5]), _flipped),
        ),
        source="C. A. Pickover, Computers, Pattern, Chaos and Beauty, 1990",
        imaged=0.99,
        argument=12.0,
    ),
    Family(
        name="de_jong",
        step=de_jong,
        parameters=_FOUR,
        ranges=_THREE_EACH,
        symmetries=(
            Symmetry("sign of b", lambda v: (*v[:3], -v[3], v[4], v[5])),
            Symmetry("sign of d", lambda v: (*v[:5], -v[5])),
            Symmetry("transposition", lambda v: (v[1], v[0], v[4], v[5], v[2], v[3]), _transposed),
        ),
        source="P. de Jong, in A. K. Dewdney, Computer Recreations, Scientific American, 1987",
        imaged=0.99,
        argument=6.0,
    ),
    Family(
        name="svensson",
        step=svensson,
        parameters=_FOUR,
        ranges=_THREE_EACH,
        symmetries=(
            Symmetry("mirror", lambda v: (-v[0], v[1], v[2], -v[3], v[4], v[5]), _mirrored),
            Symmetry("sign", lambda v: (v[0], v[1], -v[2], v[3], v[4], -v[5])),
        ),
        source="J. Svensson; P. Bourke, Peter de Jong Attractors, 1991",
        imaged=0.99,
        argument=12.0,
    ),
    Family(
        name="fractal_dream",
        step=fractal_dream,
        parameters=_FOUR,
        ranges=_THREE_EACH,
        symmetries=(
            Symmetry("rotation", lambda v: (-v[0], -v[1], v[2], v[3], v[4], v[5]), _turned),
            Symmetry("transposition", lambda v: (v[1], v[0], v[3], v[2], v[5], v[4]), _transposed),
            Symmetry("flip", lambda v: (v[0], -v[1], -v[2], -v[3], -v[4], -v[5]), _flipped),
            Symmetry("sign", lambda v: (v[0], v[1], -v[2], -v[3], v[4], v[5]), exact=False),
        ),
        source="C. A. Pickover, Chaos in Wonderland, 1994: the Fractal Dream",
        imaged=0.99,
        argument=12.0,
    ),
    Family(
        name="bedhead",
        step=bedhead,
        parameters=("x0", "y0", "a", "b"),
        ranges=(*_START, (-1.0, 1.0), (0.3, 1.0)),
        symmetries=(),
        source="I. Emrich, in J. Rampe, 2D Strange Attractors, 2017",
        imaged=0.99,
        argument=1024.0,  # all that sines take: b >= 0.3 keeps x * y / b well below, unproven
    ),
    Family(
        name="hopalong_1",
        step=hopalong_1,
        parameters=("x0", "y0", "a", "b", "c"),
        ranges=(*_START, (-10.0, 10.0), (-10.0, 10.0), (-10.0, 10.0)),
        symmetries=(
            Symmetry("rotation", lambda v: (-v[0], -v[1], -v[2], v[3], -v[4]), _turned),
            Symmetry("sign", lambda v: (v[0], v[1], v[2], -v[3], -v[4])),
            # the equation keeps its form with x, y, a, b in other units, and c in their square
            Symmetry("halving", lambda v: (v[0] / 2, v[1] / 2, v[2] / 2, v[3] / 2, v[4] / 4)),
        ),
        source="B. Martin, in A. K. Dewdney, Computer Recreations, Scientific American, 1986",
        imaged=0.99,
    ),
    Family(
        name="hopalong_2",
        step=hopalong_2,
        parameters=("x0", "y0", "a", "b", "c"),
        ranges=(*_START, (0.0, 10.0), (0.0, 10.0), (0.0, 10.0)),
        symmetries=(),
        source="B. Martin's Hopalong, the variant of F. Pacull, 2018",
        imaged=0.99,
    ),
    Family(
        name="gumowski_mira",
        step=gumowski_mira,
        parameters=("x0", "y0", "a", "b", "mu"),
        ranges=(*_START, (0.0, 0.01), (0.0, 0.1), (-0.9, 0.4)),
        symmetries=(),
        source="I. Gumowski and C. Mira, Dynamique chaotique, 1980",
        imaged=0.99,
    ),
    Family(
        name="symmetric_icon",
        step=symmetric_icon,
        parameters=("x0", "y0", "a", "b", "g", "om", "l", "d"),
        ranges=(
            (-0.5, 0.5),
            (-0.5, 0.5),
            (1.8, 5.0),
            (-1.0, 1.0),
            (-1.0, 1.0),
            (-0.2, 0.2),
            (-2.6, -1.8),
            (3.0, 9.0),
        ),
        symmetries=(
            Symmetry("flip", lambda v: (v[0], -v[1], *v[2:5], -v[5], *v[6:]), _flipped),
            Symmetry(
                "rotation",
                lambda v: (
                    (-v[0], -v[1], *v[2:])
                    if v[7] % 2 == 0
                    else (-v[0], -v[1], v[2], -v[3], -v[4], *v[5:])
                ),
                _turned,
            ),
        ),
        source="M. Field and M. Golubitsky, Symmetry in Chaos, 1992",
        imaged=0.88,
        whole=("d",),
    ),
)

FAMILIES = Families({family.name: family for family in _FAMILIES})
