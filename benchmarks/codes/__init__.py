"""The scores of codes against parameters, one file a question; `benchmarks.scores` has them all.

May import: fdd, statistics.
"""
