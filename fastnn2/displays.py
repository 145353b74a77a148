"""Pictures of a training run and of what a network has learned, with matplotlib."""
