"""What models share: networks and losses.

Imports fdd and baselines.training.
"""
