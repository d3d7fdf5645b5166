"""Opening the data: the cache, published folders and packages, Kaggle, and the endless stream.

Imports errors, files, attractors, arithmetic, rendering and releases.
"""
