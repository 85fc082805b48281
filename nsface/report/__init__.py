"""Figures and pages about runs and evaluations."""
