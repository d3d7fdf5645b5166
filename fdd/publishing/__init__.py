"""The package that is published on Kaggle: written, described and checked.

Imports everything of fdd but the command line.
"""
