"""What models share: networks, losses, similarity of images, and the codes of parameters.

May import: fdd, training.
"""
