"""What the importers share: a chain of steps, each acting on one timestep, and how it becomes a model."""
