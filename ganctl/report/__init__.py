"""Run folders in; tables, figures, Markdown and one HTML file out. Imports no torch."""

from ganctl.report.collect import read_cell
from ganctl.report.comparison import write_report

__all__ = ["read_cell", "write_report"]
