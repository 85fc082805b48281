"""The folder of a training run: one class knows its files, reads and writes them, and locks it."""

from nsface.run_folder.content import OverlapEntry, Way
from nsface.run_folder.folder import LATEST, PREVIOUS, RunFolder
from nsface.run_folder.troubles import troubles

__all__ = ["LATEST", "PREVIOUS", "OverlapEntry", "RunFolder", "Way", "troubles"]
