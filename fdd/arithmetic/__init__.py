"""Exact sines and cosines on the CPU and on CUDA, vectors of numbers, compiling, normal numbers,
structural similarity.

May import: errors, attractors.
"""
