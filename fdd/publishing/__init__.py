"""The package that is published on Kaggle: written, described and checked.

May import: fdd, errors, files, pictures, devices, progress, attractors, rendering, releases, data.
"""
