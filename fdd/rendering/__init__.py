"""Parameters to counts to images, exact, on the CPU and on CUDA.

May import: errors, defaults, devices, progress, attractors, arithmetic.
"""
