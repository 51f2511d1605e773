"""A driver, an attack and a defense of a third party."""
