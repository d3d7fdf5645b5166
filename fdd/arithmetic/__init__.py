"""Exact sines and cosines on the CPU and on CUDA, vectors of numbers, compiling.

Imports errors and attractors.
"""
