"""The protocol: which scores are taken of a model and how, as a function of arrays.

May import: fdd, statistics, codes, images, oracle, scores, image_scores.
"""
