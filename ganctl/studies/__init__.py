"""The life of a run, and studies: many runs that are compared."""
