"""The oracle: a shipped network that reads parameters from images, and so a ceiling for codes.

May import: fdd, statistics.
"""

from benchmarks.oracle.oracle import SHIPPED, Oracle, load_oracle, packed

__all__ = ["SHIPPED", "Oracle", "load_oracle", "packed"]
