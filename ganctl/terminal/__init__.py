"""What a screen can show, and how lines and tables are fitted to it. Imports no torch."""
