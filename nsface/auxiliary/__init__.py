"""Auxiliary losses, one file each, which are added to the loss of any head with a weight."""

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
