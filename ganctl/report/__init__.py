"""Reads run folders and writes tables, figures, Markdown and one HTML file. Imports no torch."""
