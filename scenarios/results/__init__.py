"""The figures of the README that take long: ``dirtyroad results``, ``gap`` and ``certify``."""
