"""The attractors: their equations, ranges and symmetries, the slow exact specification, parameters.

May import: errors, defaults.
"""
