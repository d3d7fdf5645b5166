"""What models share: networks, losses, and the codes of parameters.

May import: fdd, training.
"""
