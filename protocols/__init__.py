"""Protocols: official lists in, trials out, metrics called. No torch here."""
