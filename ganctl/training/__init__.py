"""The loop, what moves the weights, and the state that a checkpoint holds."""
