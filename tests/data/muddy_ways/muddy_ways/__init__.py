"""A driver, an attack, a defense and a task of a third party."""
