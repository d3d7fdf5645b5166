"""What trains any baseline: options, data, the loop, run folders. It knows no model by name.

May import: fdd.
"""
