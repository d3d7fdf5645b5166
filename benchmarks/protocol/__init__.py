"""The protocol: which scores a model gets and how, as a function of arrays.

May import: fdd, statistics, codes, images, oracle, scores, image_scores.
"""
