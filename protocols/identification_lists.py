"""Lists for identification: LFW's deterministic draw, folders of given trials, anybody's own lists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from nsface.errors import DataError, listing, shown
from nsface.files import reason
from nsface.names import plain, stem
from nsface.protocols.identification import Named, Trial
from nsface.protocols.lfw import Person, image
from nsface.protocols.lists import read_lines
from nsface.protocols.trials import identity
from nsface.results.official import LFW_CLOSED_SET, LFW_MULTIPLE_OPEN_GALLERY, LFW_OPEN_SET

OpenGallery = Literal["single", "multi"]
SINGLES = 3653  # people with one image who join the closed gallery
TRIAL_FILES = ("closed_gallery.txt", "closed_probe.txt", "open_gallery.txt", "open_genuine.txt")
IMPOSTORS_FILE = "open_impostors.txt"


def lfw_trial(
    people: Iterable[Person], subjects: Sequence[str], open_gallery: OpenGallery = "single"
) -> Trial:
    """The deterministic draw: image 1 in the gallery, image 2 the genuine open probe, singles in byte order.

    Raises:
        DataError: a subject who is not among `people` or has a single image.
    """
    counts = {person.name: person.images for person in people}
    wrong = [name for name in subjects if counts.get(name, 0) < 2]
    if wrong:
        raise DataError(
            f"{len(wrong)} subjects have no two images in the list of people: {listing(sorted(wrong))}; "
            "give the subjects of the LFW protocol"
        )
    chosen = sorted(subjects, key=os.fsencode)
    singles = sorted((name for name, n in counts.items() if n == 1), key=os.fsencode)[:SINGLES]
    gallery = [image(name, 1) for name in [*chosen, *singles]]
    probes = [image(name, i) for name in chosen for i in range(2, counts[name] + 1)]
    genuine = [image(name, 2) for name in chosen]
    if open_gallery == "single":
        enrolled = [image(name, 1) for name in chosen]
    else:
        enrolled = [image(name, i) for name in chosen for i in range(1, counts[name] + 1) if i != 2]
    taken = set(chosen)
    strangers = [image(name, i) for name, n in counts.items() if name not in taken for i in range(1, n + 1)]
    return Trial(
        "deterministic", (named(gallery), named(probes)), (named(enrolled), named(genuine), named(strangers))
    )


def given_trial(
    location: str | os.PathLike[str], everyone: Sequence[str], open_gallery: OpenGallery = "single"
) -> Trial:
    """A folder with `closed_gallery.txt`, `closed_probe.txt`, `open_gallery.txt`, `open_genuine.txt`.

    Impostors are the images of `open_impostors.txt`, or without that file every name in `everyone` whose
    person is not in the open gallery.

    Raises:
        DataError: a file that is missing or malformed; people who are not the images' folders, and no
            `open_impostors.txt`.
    """
    folder = Path(location)
    gallery, probes, enrolled, genuine = lists = [read_named(folder / name) for name in TRIAL_FILES]
    known = set(enrolled.people)
    file = folder / IMPOSTORS_FILE
    if os.path.exists(file):
        impostors = read_named(file)
    elif any(part != named(part.images) for part in lists):
        raise DataError(f"{shown(file)}: missing; it is needed where lists say image<TAB>person")
    else:
        impostors = named([name for name in everyone if identity(name) not in known])
    if open_gallery == "multi":
        held_out = set(map(stem, genuine.images))
        people = dict(zip(gallery.images + probes.images, gallery.people + probes.people, strict=True))
        several = {n: p for n, p in people.items() if p in known and stem(n) not in held_out}
        enrolled = Named(list(several), list(several.values()))
    return Trial(folder.name, (gallery, probes), (enrolled, genuine, impostors))


def own_trial(
    gallery: str | os.PathLike[str], probes: str | os.PathLike[str], impostors: str | os.PathLike[str] | None
) -> Trial:
    """Anybody's lists: closed set from gallery and probes, with impostors also an open set."""
    enrolled, genuine = read_named(gallery), read_named(probes)
    strangers = read_named(impostors) if impostors else None
    return Trial("lists", (enrolled, genuine), (enrolled, genuine, strangers) if strangers else None)


def read_named(path: str | os.PathLike[str]) -> Named:
    """Read a list of `image` (the person is its folder) or `image<TAB>person` lines.

    Raises:
        DataError: an image listed twice, or without folder and person.
    """
    images: dict[str, str] = {}
    for line in read_lines(path):
        parts = line.fields(1 + ("\t" in line.text), "image` or `image<TAB>person", separator="\t")
        name = plain(parts[0])
        person = parts[-1] if len(parts) == 2 else identity(name)
        if not person:
            raise line.error(f"'{name}' has no folder that says who it is", "write image<TAB>person")
        if name in images:
            raise line.error(f"'{name}' is listed twice", "remove one")
        images[name] = person
    return Named(list(images), list(images.values()))


def read_subjects(path: str | os.PathLike[str], people: Iterable[Person]) -> list[str]:
    """The subjects' names: a list with one a line, or a copy of YouTube Faces, which has a folder for each.

    Of a copy's folders those are taken whose `people` have two images or more.

    Raises:
        DataError: a name listed twice, or nobody there.
    """
    source = Path(path)
    if os.path.isdir(source):
        several = {person.name for person in people if person.images > 1}
        try:
            with os.scandir(source) as entries:
                names = sorted(entry.name for entry in entries if entry.name in several and entry.is_dir())
        except OSError as error:
            raise DataError(f"{shown(source)}: cannot be read: {reason(error)}") from error
        if not names:
            raise DataError(
                f"{shown(source)}: no folder is named after somebody with two images in the list of people; "
                "give a copy of YouTube Faces, or a list of names"
            )
        return names
    seen: set[str] = set()
    for line in read_lines(source):
        (name,) = line.fields(1, "name")
        if name in seen:
            raise line.error(f"'{name}' is listed twice", "remove one")
        seen.add(name)
    return sorted(seen)


def named(images: Sequence[str]) -> Named:
    """`Named` with each image's folder as its person."""
    return Named(list(images), [identity(name) for name in images])


def unexpected_counts(trial: Trial, open_gallery: OpenGallery) -> list[str]:
    """How an LFW trial differs in size from the protocol; empty where it does not."""
    if not trial.closed or not trial.open:
        return ["it is not a closed and an open set"]
    sizes = {
        "closed gallery": len(trial.closed[0]),
        "closed probes": len(trial.closed[1]),
        "open gallery": len(trial.open[0]),
        "genuine probes": len(trial.open[1]),
        "impostors": len(trial.open[2]),
    }
    wanted = LFW_CLOSED_SET | LFW_OPEN_SET
    if open_gallery == "multi":
        wanted["open gallery"] = LFW_MULTIPLE_OPEN_GALLERY
    return [
        f"{sizes[what]:,} {what} where the protocol has {count:,}"
        for what, count in wanted.items()
        if sizes[what] != count
    ]


def unexpected_sentences(trials: Sequence[Trial], open_gallery: OpenGallery) -> list[str]:
    """How trials differ from those of LFW's protocol; trials that differ alike in one sentence."""
    differing: dict[str, list[str]] = {}
    for trial in trials:
        if problems := unexpected_counts(trial, open_gallery):
            differing.setdefault("; ".join(problems), []).append(trial.name)
    return [
        f"{listing(names, 3)}: {what}: these lists are not those of LFW's protocol"
        for what, names in differing.items()
    ]
