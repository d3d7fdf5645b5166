"""The releases: what each holds, and (version, split, index) to accepted parameters.

May import: errors, defaults, devices, attractors, arithmetic, rendering.
"""
