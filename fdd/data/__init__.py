"""Opening the data: the cache, published folders and packages, Kaggle, and the endless stream.

May import: errors, files, devices, attractors, arithmetic, rendering, releases.
"""
