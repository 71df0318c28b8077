"""Overrides in, one typed configuration out. Imports no torch."""
