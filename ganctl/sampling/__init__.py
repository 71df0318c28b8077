"""What `ganctl sample` can show of a run."""
