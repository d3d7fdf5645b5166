"""The protocol: which scores are taken of a model and how, as a function of arrays.

Imports fdd, statistics, codes, images, oracle, and the two facades of scores.
"""
