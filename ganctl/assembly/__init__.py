"""From a configuration to a training that is ready for its next step, and back from a run folder."""
