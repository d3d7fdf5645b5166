"""What models share: networks and losses.

May import: fdd, training.
"""
