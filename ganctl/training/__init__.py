"""The training loop, the optimizers, and the state that a checkpoint holds."""
