"""The plan of `nsface eval-all`: the lists in a folder, what each needs, and why some cannot be scored."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, ModelError, NsfaceError, listing, shown
from nsface.protocols import PROTOCOLS, load_protocol
from nsface.protocols.list_files import Contents, contents
from nsface.protocols.numbered_images import of_other_images
from nsface.protocols.protocol import Found, Protocol
from nsface.protocols.verification import VerificationProtocol
from nsface.results.all_protocols import NotRun
from nsface.results.official import title_of

KNOWN = (
    "LFW (pairs.txt, pairsDevTrain.txt and pairsDevTest.txt), FGLFW, CALFW, CPLFW, YTF, LFW identification, "
    "BLUFR, IJB, .bin sets and your own pairs"
)


@dataclass(frozen=True)
class Planned:
    """Lists that can be scored.

    Attributes:
        protocol, lists: what scores them, and what it has read.
        found: where they come from.
        title: what to call them in tables, each title once.
    """

    protocol: Protocol[Any, Any]
    lists: Any
    found: Found
    title: str

    def needed(self, names: Embeddings) -> Sequence[str]:
        """The names of the images that it needs one embedding of; none where it pools or carries them."""
        if self.protocol.carries_images or self.protocol.template_of(self.lists):
            return []
        return self.protocol.needed(names, self.lists)


@dataclass(frozen=True)
class Plan:
    """What of a folder can be scored, and why the rest cannot."""

    folder: Path
    planned: list[Planned]
    not_run: list[NotRun]
    other_files: list[str]
    notes: list[str]


@dataclass(frozen=True)
class System:
    """What is scored.

    Attributes:
        name: for tables.
        names: the names of its images; of a model's their vectors are not known yet, and are never looked at.
        is_model: whether it can be scored on images that lie in a list.
        embeddings: gives the embeddings for lists that are planned.
    """

    name: str
    names: Embeddings
    is_model: bool
    embeddings: Callable[[Planned], Embeddings]


def system_of(embeddings: Embeddings, name: str) -> System:
    """Embeddings that are there, called `name`."""
    return System(name, embeddings, False, lambda planned: embeddings)


@dataclass(frozen=True)
class Findings:
    """What lies in a folder.

    Attributes:
        lists: each with the name of its protocol.
        unreadable: files and folders that cannot be read.
        other_files: files that are no lists.
        more: whether there are more files than were looked at.
    """

    lists: list[tuple[str, Found]]
    unreadable: list[NotRun]
    other_files: list[str]
    more: bool


def find_lists(folder: str | os.PathLike[str]) -> Findings:
    """All lists in `folder`.

    Raises:
        DataError: there is no such folder, or no list in it.
    """
    found = find_among(contents(folder))
    if not found.lists and not found.unreadable:
        raise DataError(f"{shown(folder)}: no list of a protocol in it; those known are {KNOWN}")
    return found


def find_among(here: Contents) -> Findings:
    """All lists among the files of `here`."""
    found = [(name, one) for name in PROTOCOLS for one in load_protocol(name).found_among(here.files)]
    unreadable = [NotRun(title=str(path), reason=f"cannot be read: {why}") for path, why in here.unreadable]
    used = {path for _, one in found for path in (*one.lists, *one.copies)}
    other_files = [str(file.path) for file in here.files if not used & {file.path, file.path.parent}]
    return Findings(found, unreadable, other_files, here.more)


def plan(folder: str | os.PathLike[str], system: System) -> Plan:
    """Read all lists in `folder`, and check whether `system` has their images.

    Raises:
        DataError: there is no such folder, or no list in it.
    """
    return plan_found(find_lists(folder), folder, system)


def plan_found(found: Findings, folder: str | os.PathLike[str], system: System) -> Plan:
    """As `plan`, of lists that were found; those that lie elsewhere than in `folder` have their whole path in
    titles."""
    several = _repeated([one.title or title_of(name) for name, one in found.lists])
    planned, notes, not_run = [], [], list(found.unreadable)
    if found.more:
        what = "it has more files, or deeper folders, than are searched"
        notes.append(f"{shown(folder)}: {what}; give a part of it")
    for name, one in found.lists:
        if one.copies:
            copies = listing([str(path) for path in one.copies], 3)
            notes.append(f"{copies}: the same as {shown(one.lists[0])}, which is scored once")
        title = one.title or title_of(name)
        where = f" ({_place(one.lists[0], Path(folder))})" if title in several else ""
        about: dict[str, Any] = {"title": title + where, "lists": tuple(map(str, one.lists))}
        if one.protocol is None:
            not_run.append(NotRun(reason=one.problem, **about))
            continue
        with errors_as_reasons(not_run, about):
            lists = one.protocol.read()
            if not one.title and isinstance(one.protocol, VerificationProtocol):
                about["title"] = title_of(one.protocol.result_name(lists)) + where  # FGLFW, or a list like it
            if missing := why_missing(one.protocol, lists, system):
                not_run.append(NotRun(**about, **missing))
            else:
                planned.append(Planned(one.protocol, lists, one, about["title"]))
    planned, doubtful = of_other_images(planned, system.names)
    return Plan(Path(folder), planned, [*not_run, *doubtful], found.other_files, notes)


def _place(path: Path, folder: Path) -> Path:
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def _repeated(titles: Sequence[str]) -> set[str]:
    return {title for title, count in Counter(titles).items() if count > 1}


def why_missing(protocol: Protocol[Any, Any], lists: Any, system: System) -> dict[str, Any]:
    """Why `system` cannot be scored on `lists`, as arguments of `NotRun`; none where it can."""
    if protocol.carries_images:
        reason = "its images lie in the file: a model is needed, not embeddings"
        return {} if system.is_model else {"reason": reason}
    if system.is_model and not system.names.names:
        return {"reason": "it needs images: give --images"}
    missing = protocol.missing(system.names, lists)
    if missing is None:
        return {}
    absent = "are not among the images" if system.is_model else "have no embedding"
    if missing.kind == "videos":
        absent = "have no frames"
    reason = (
        f"{len(missing.names):,} of {missing.needed:,} {missing.kind} {absent}: {listing(missing.names, 3)}"
    )
    if missing.kind == "images" and len(missing.names) == missing.needed:
        reason += f"; {system.names.example(missing.names)}"
    return {"reason": reason, "missing": len(missing.names)}


@contextmanager
def errors_as_reasons(not_run: list[NotRun], about: dict[str, Any]) -> Iterator[None]:
    """What is wrong with one list becomes the reason why it is not run; a model that cannot be used is no
    list."""
    try:
        yield
    except ModelError:
        raise
    except NsfaceError as error:
        not_run.append(NotRun(reason=str(error), **about))
