"""Arrays that scores accept, chance by permutation, intervals, regressors.

May import: fdd.
"""
