"""The built-in worlds, assistants, attacks, defenses and metrics, registered like those of any other package."""
