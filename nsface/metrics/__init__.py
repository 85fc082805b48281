"""Metrics: arrays in, numbers out. Knows no files and no torch."""
