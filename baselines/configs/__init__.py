"""The options of each baseline and its presets, without torch, so that --help is there at once.

May import: fdd, training.
"""
