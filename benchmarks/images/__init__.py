"""The scores of images, one file a question; `benchmarks.image_scores` has them all.

Imports fdd and statistics.
"""
