"""Trained models that come with the package, one file each.

May import: fdd, training.
"""
