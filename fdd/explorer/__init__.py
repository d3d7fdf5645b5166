"""The explorer: one page, a file that stands alone, which draws every attractor as it is changed.

May import: errors, files, defaults, commands, options, attractors, arithmetic, rendering, releases,
pages.
"""

from fdd.explorer.page import Explorer, explore

__all__ = ["Explorer", "explore"]
