"""Run folders in; tables, figures, Markdown and one HTML file out. Imports no torch."""
