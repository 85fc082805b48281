"""Random draws of the LFW identification protocol for synthetic people, as lists of image names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nsface.synthetic.draws import Draws
from nsface.synthetic.lists import Fold, Member

TRIALS = 10
_KEY = 12  # first part of the key of the draws; `lists` has the others
_SINGLES = 3653 / 4069  # LFW: of 4,069 people with one image this share joins the closed gallery


@dataclass(frozen=True)
class Draw:
    """One trial: image names in byte order, each field a file of that name.

    Attributes:
        closed_gallery: one image of each subject, and most of the people with a single image.
        closed_probe: all other images of the subjects.
        open_gallery, open_genuine: two different images of each subject, drawn anew. Impostors are the
            images of everybody else, so they need no list.
    """

    closed_gallery: list[str]
    closed_probe: list[str]
    open_gallery: list[str]
    open_genuine: list[str]

    @classmethod
    def of(cls, seed: int, trial: int, folds: Sequence[Fold], subjects: Sequence[Member]) -> Draw:
        """Trial `trial` (from 0) for `subjects`, who are among the members of `folds`."""
        draws = Draws(seed, _KEY, trial)
        enrolled = [1 + draws.below(member.count) for member in subjects]
        pairs = [draws.shuffled(range(1, member.count + 1))[:2] for member in subjects]
        singles = [member for fold in folds for member in fold if member.count == 1]
        chosen = draws.shuffled(singles)[: round(len(singles) * _SINGLES)]
        gallery = [member.image(i) for member, i in zip(subjects, enrolled, strict=True)]
        enrolled_names = set(gallery)
        images = [member.image(i) for member in subjects for i in range(1, member.count + 1)]
        return cls(
            sorted(gallery + [member.image(1) for member in chosen]),
            sorted(name for name in images if name not in enrolled_names),
            sorted(member.image(i) for member, (i, _) in zip(subjects, pairs, strict=True)),
            sorted(member.image(i) for member, (_, i) in zip(subjects, pairs, strict=True)),
        )
