"""Arrays that scores accept, chance by permutation, intervals, regressors.

Imports fdd.
"""
