"""Folders of pictures or records: generated shard by shard, verified, shown as sheets.

May import: fdd, errors, files, pictures, devices, progress, attractors, rendering, releases, data.
"""
