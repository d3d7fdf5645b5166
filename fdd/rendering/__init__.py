"""Parameters to counts to images, exact, on the CPU and on CUDA.

Imports errors, attractors and arithmetic.
"""
