"""Exact sines and cosines on the CPU and on CUDA, vectors of numbers, compiling.

May import: errors, attractors.
"""
