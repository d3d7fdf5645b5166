"""Evaluations on disk and on a page: text, CSV, JSON, HTML, figures.

May import: fdd, statistics, protocol.
"""
