"""What to run: scenario files, the runner, metrics, reports, the command line.

Importing this registers the environment ``dirtyroad/LaneKeeping-v0`` with gymnasium, which knows no other way.
"""

import gymnasium

gymnasium.register(
    "dirtyroad/LaneKeeping-v0",
    entry_point="scenarios.environments:make_env",
    vector_entry_point="scenarios.environments:make_vector_env",
)
