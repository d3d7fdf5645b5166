"""The releases: what each holds, and (version, split, index) to accepted parameters.

May import: errors, devices, attractors, arithmetic, rendering.
"""
