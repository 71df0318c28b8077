"""Output to the screen: what a terminal can do, and lines and tables that fit into it. Imports no torch."""
