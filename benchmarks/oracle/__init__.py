"""The oracle: the reader of parameters that is shipped, a ceiling for codes and an eye for images.

May import: fdd, statistics.
"""

from benchmarks.oracle.oracle import SHIPPED, Oracle, load_oracle, packed

__all__ = ["SHIPPED", "Oracle", "load_oracle", "packed"]
