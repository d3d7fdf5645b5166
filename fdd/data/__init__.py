"""Opening the data: the cache, folders and packages, Kaggle, and the endless stream and pairs.

May import: errors, files, pictures, devices, progress, attractors, arithmetic, rendering, releases.
"""
