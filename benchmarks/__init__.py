"""Scores of latent correspondence: pure functions of arrays, and commands that apply them.

`from benchmarks import scores; scores.mcc(codes, params)` needs no model and no data set.
"""
