"""Random streams that depend on what they are for, never on what was drawn before.

Each use (the order of an epoch, the augmentation of a step, the noise of a step) has a generator seeded by
(run seed, use, number). Nothing needs saving for a run to be resumed to the same bits, and a new random
draw somewhere changes no other.
"""

from __future__ import annotations

import hashlib


def derived_seed(seed: int, use: str, number: int = 0) -> int:
    """A seed in [0, 2⁶³) for occasion `number` of `use` in a run with `seed`."""
    digest = hashlib.sha256(f"{seed}/{use}/{number}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
