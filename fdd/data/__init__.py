"""Opening the data: cache, folders, packages, Kaggle, endless streams and pairs; and showing it.

May import: errors, files, pictures, devices, progress, attractors, arithmetic, rendering, releases.
"""
