"""The commands as plain functions: parsed input in, the path of what was made out."""
