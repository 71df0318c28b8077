"""Random streams, floating-point precision and settings of the machine."""
