"""Linear functionals of a node's value: the coefficients that a backward walk carries.

A bundle of rows stands for ``S`` functionals ``x -> <A[b, s], x[b]>`` of every sample ``b``. The walk bounds
every row from below; an upper bound is the negated lower bound of the negated row. ``mirrored`` rows stand
for themselves and their negatives, and need not be doubled before the first sign-dependent operation.
"""

from defenses.bounds.rows.base import Lines, Rows, flattened
from defenses.bounds.rows.dense import Dense
from defenses.bounds.rows.outer import Outer
from defenses.bounds.rows.patches import Patches, Window
from defenses.bounds.rows.selection import Selection

__all__ = ["Dense", "Lines", "Outer", "Patches", "Rows", "Selection", "Window", "flattened"]
