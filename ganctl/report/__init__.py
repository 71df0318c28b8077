"""Run folders in; tables, figures and one HTML file out. Imports no torch."""

from ganctl.report.comparison import write_report

__all__ = ["write_report"]
