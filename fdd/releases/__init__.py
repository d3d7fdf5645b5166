"""The releases: what each holds, and (version, split, index) to accepted parameters.

Imports errors, attractors, arithmetic and rendering.
"""
