"""Run folders and the files in them: written whole, read with suspicion."""
