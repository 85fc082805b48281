"""Galleries of a wanted size, drawn at random from lists or from the people of an embeddings file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, shown
from nsface.protocols.identification import Named, Trial
from nsface.protocols.trials import identity


def reduced(trial: Trial, size: int | None, source: str) -> Trial:
    """An open set with `size` of the people in its gallery; all of them where it is None.

    Raises:
        DataError: there are fewer, or no open set.
    """
    if not trial.open:
        raise DataError(f"{shown(source)}: no open set; an FPIR needs people who are not in the gallery")
    gallery, genuine, strangers = trial.open
    people = sorted(set(gallery.people))
    if size is None or size == len(people):
        return trial
    chosen = _chosen(people, size, source)
    return replace(trial, open=(_of(gallery, chosen), _of(genuine, chosen), strangers))


def drawn(embeddings: Embeddings, size: int) -> Trial:
    """An open set with a gallery of the first image, in the order of names, of `size` random people.

    Their other images are genuine probes, and all images of all other people are impostors.

    Raises:
        DataError: fewer than `size` + 2 people, nobody in the gallery has a second image, or a name has no
            folder.
    """
    who = people_of(embeddings)
    people = sorted(set(who))
    chosen = _chosen(people, size, embeddings.source, strangers=2)
    everything = Named(list(embeddings.names), who)
    first: dict[str, str] = {}
    for image, person in sorted(zip(everything.images, everything.people, strict=True)):
        first.setdefault(person, image)
    gallery = Named([first[person] for person in chosen], chosen)
    enrolled, known = set(gallery.images), _of(everything, chosen)
    rest = [pair for pair in zip(known.images, known.people, strict=True) if pair[0] not in enrolled]
    if not rest:
        raise DataError(
            f"{shown(embeddings.source)}: nobody in the gallery has a second image, so that there are no "
            "genuine probes; give more images of each person"
        )
    genuine = Named([image for image, _ in rest], [person for _, person in rest])
    return Trial("drawn", None, (gallery, genuine, _of(everything, sorted(set(people) - set(chosen)))))


def people_of(embeddings: Embeddings) -> list[str]:
    """Who each image shows: the folder of its name.

    Raises:
        DataError: a name has none.
    """
    people = [identity(name) for name in embeddings.names]
    if not all(people):
        name = embeddings.names[people.index("")]
        raise DataError(
            f"{shown(embeddings.source)}: '{shown(name)}' has no folder that says who it is; name images "
            "PERSON/IMAGE, or give lists"
        )
    return people


def _chosen(people: list[str], size: int, source: str, strangers: int = 0) -> list[str]:
    """`size` of `people`, always the same ones; `strangers` must be left."""
    if size > len(people) - strangers:
        left = f", of whom {strangers} must remain as impostors" if strangers else ""
        raise DataError(
            f"{shown(source)}: a gallery of {size} people is wanted; there are {len(people)}{left}; "
            "an FPIR is not extrapolated to larger galleries: give more people"
        )
    places = np.random.default_rng(0).choice(len(people), size, replace=False)
    return [people[place] for place in sorted(places)]


def _of(part: Named, people: list[str]) -> Named:
    """The images of `people` alone."""
    kept = set(people)
    pairs = [pair for pair in zip(part.images, part.people, strict=True) if pair[1] in kept]
    return Named([image for image, _ in pairs], [person for _, person in pairs])
