"""Auxiliary losses, added to any head with a weight: one file each, one line here."""

from nsface.auxiliary.base import Auxiliary
from nsface.auxiliary.center import Center
from nsface.auxiliary.contrastive import Contrastive
from nsface.auxiliary.triplet import Triplet

AUXILIARY: dict[str, type[Auxiliary]] = {
    "center": Center,
    "contrastive": Contrastive,
    "triplet": Triplet,
}

__all__ = ["AUXILIARY", "Auxiliary", "Center", "Contrastive", "Triplet"]
