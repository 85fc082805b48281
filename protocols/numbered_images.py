"""Lists that call images by numbers: those of IJB-B and IJB-C have the same names for different images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsface.embeddings.file import Embeddings
from nsface.errors import listing
from nsface.names import stem_key
from nsface.results.all_protocols import NotRun

if TYPE_CHECKING:
    from nsface.protocols.planning import Planned


def of_other_images(planned: Sequence[Planned], names: Embeddings) -> tuple[list[Planned], list[NotRun]]:
    """Take from `planned` the lists whose names may mean other images than those called `names`.

    Of lists that call images by numbers and share names, those are kept that have all names of the others:
    their images are all there, and a shorter list is of another set, or is a part of the same.

    Returns:
        What remains, and why the rest is not run.
    """
    numbered = {
        place: {stem_key(name) for name in one.needed(names)}
        for place, one in enumerate(planned)
        if one.protocol.numbers_images
    }
    kept: list[Planned] = []
    not_run: list[NotRun] = []
    for place, one in enumerate(planned):
        own = numbered.get(place, set())
        larger = [planned[other] for other, images in numbered.items() if images & own and images - own]
        if not larger:
            kept.append(one)
            continue
        other_lists = listing([str(other.found.lists[0]) for other in larger], 2)
        reason = (
            f"all its images have an embedding, but {other_lists} calls images by the same numbers and has "
            "more of them, which are there too: they may be other images, as in IJB-B and IJB-C; give a "
            "folder with the lists of one set"
        )
        not_run.append(NotRun(title=one.title, lists=tuple(map(str, one.found.lists)), reason=reason))
    return kept, not_run
