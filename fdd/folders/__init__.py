"""Folders of pictures or records: generated shard by shard, verified, shown as sheets.

Imports everything of fdd but publishing and the command line.
"""
