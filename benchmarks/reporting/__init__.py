"""Evaluations on disk and on a page: text, CSV, JSON, HTML, figures.

Imports fdd, statistics and protocol.
"""
