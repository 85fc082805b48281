"""Recipes: the typed description of a training run, its text, its faults, and those that come with nsface."""
