"""How fast things are: ``dirtyroad bench``."""
