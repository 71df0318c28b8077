"""What looks at a training between its steps, and never changes it."""
