"""Composite operators written in simpler ones, chosen so that their relaxation is tight.

Every entry is exact in real arithmetic.
"""

from defenses.bounds.decompositions.table import decomposition_table

__all__ = ["decomposition_table"]
