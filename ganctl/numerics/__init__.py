"""Random streams, floating-point precision and the machine that computes."""
