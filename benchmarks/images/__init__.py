"""The scores of images, one file a question; `benchmarks.image_scores` has them all.

May import: fdd, statistics.
"""
