"""What a report cannot tell, and what a reader must know before believing its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

from nsface.errors import joined, listing
from nsface.recipe.text import dotted
from nsface.report.classification import is_classification
from nsface.report.comparisons import Pair, can_be_compared
from nsface.report.published import MEASURED_BY
from nsface.report.runs import Run
from nsface.report.systems import System, measured_keys
from nsface.run_folder import RunFolder

# keys of a recipe; data are known by their fingerprint, and identities that are held out by their number
_NO_MATTER = {"seed", "log_every", "data", "validate"}
_CIRCUMSTANCES = {"precision": "precision", "torch": "version of torch", "nsface": "version of nsface"}
MOST = 6  # names in a sentence


def find_doubts(systems: Sequence[System], pairs: Sequence[Pair]) -> list[str]:
    """A sentence for each."""
    return [
        sentence
        for find in (_rendered, _not_compared, _recipes, _circumstances, _lists, _overlap, _unfinished)
        for sentence in find(systems, pairs)
    ] + list(_tests(systems, pairs))


def _rendered(systems: Sequence[System], pairs: Sequence[Pair]) -> Iterator[str]:
    measured = [result for key in measured_keys(systems) for one in systems for result in one.results(key)]
    trained = _of(systems, lambda run: bool(run.environment.get("rendered")))
    if any(getattr(result, "rendered", None) for result in measured):
        yield (
            "The faces were rendered by a program and show people who do not exist: scores on them say "
            "nothing about photographs, and must not be compared with published ones."
        )
    elif trained:
        yield f"{_names(trained)} learned from rendered faces of people who do not exist."


def _not_compared(systems: Sequence[System], pairs: Sequence[Pair]) -> Iterator[str]:
    """Systems that were measured by one protocol, and of which no comparison is there."""
    never = []
    for first, second in combinations(systems, 2):
        compared = {row.protocol for pair in pairs if _about(pair, first, second) for row in pair.rows}
        common = [first.results(key)[0] for key in measured_keys([first]) if second.results(key)]
        titles = dict.fromkeys(result.title for result in common if can_be_compared(result))
        missing = [title for title in titles if title not in compared]
        both = f"{first.name} and {second.name}"
        if missing and compared:
            yield f"{both} were not compared on {_names(missing)}: run nsface compare."
        elif missing:
            never.append(both)
    if never and len(systems) > 2:
        yield f"These were not compared with one another: {listing(never, MOST)}: run nsface compare."


def _about(pair: Pair, first: System, second: System) -> bool:
    names = [{one.name, *(run.name for run in one.runs)} for one in (first, second)]
    return (pair.first in names[0] and pair.second in names[1]) or (
        pair.first in names[1] and pair.second in names[0]
    )


def _recipes(systems: Sequence[System], pairs: Sequence[Pair]) -> Iterator[str]:
    """Whether a difference can be put down to one thing in the recipes."""
    recipes = [dotted(system.runs[0].recipe) for system in systems]
    parts = differing_parts(recipes)
    fingerprints = {system.runs[0].environment.get("data") for system in systems}
    if len(fingerprints) > 1:
        parts.append("data")
    if len({system.runs[0].held_out for system in systems}) > 1:
        parts.append("validate.held_out")
    if "head" in parts and len(parts) > 1:
        others = _names([part for part in parts if part != "head"])
        yield f"The recipes differ in more than the head ({others}): a difference is not the head's alone."
    elif len(parts) > 1:
        yield f"The recipes differ in several things ({_names(parts)}): which of them matters is not known."


def differing_parts(recipes: Sequence[dict[str, Any]]) -> list[str]:
    """First parts of the dotted keys in which `recipes` differ, but for the seed and what changes nothing."""
    keys = dict.fromkeys(key for recipe in recipes for key in recipe)
    parts = dict.fromkeys(
        str(key).split(".")[0] for key in keys if any(one.get(key) != recipes[0].get(key) for one in recipes)
    )
    return [part for part in parts if part not in _NO_MATTER]


def _circumstances(systems: Sequence[System], pairs: Sequence[Pair]) -> Iterator[str]:
    runs = [run for system in systems for run in system.runs]
    differing = [
        f"{title} ({listing([str(value) for value in values], 4)})"
        for key, title in _CIRCUMSTANCES.items()
        if len(values := dict.fromkeys(run.environment.get(key) for run in runs)) > 1
    ]
    if differing:
        yield f"The runs were not trained with the same {_names(differing)}."


def _lists(systems: Sequence[System], pairs: Sequence[Pair]) -> Iterator[str]:
    """Figures of other than official lists, and systems that were measured on different ones."""
    unofficial = []
    for key in measured_keys(systems):
        results = [result for system in systems for result in system.results(key)]
        names = _all_or([system.name for system in systems if system.results(key)], systems)
        title = results[0].title
        if len({result.description() for result in results}) > 1:
            yield (
                f"{_names(names)}: the lists of {title} were not the same, so these figures must not be "
                "compared."
            )
        known = [result for result in results if result.figures() and not getattr(result, "rendered", None)]
        published = results[0].protocol.removesuffix("-like") in MEASURED_BY.values()
        if published and not all(result.official for result in known):
            unofficial.append(f"{title} ({key}.json)")
    if unofficial:
        yield (
            f"Published figures are not comparable with those of {_names(unofficial)}: not the official list "
            "at its official size."
        )


def _overlap(systems: Sequence[System], pairs: Sequence[Pair]) -> Iterator[str]:
    """Whether people of the training set are known not to be in the test sets."""
    if not measured_keys(systems):
        return
    if unchecked := _of(systems, lambda run: not run.overlap and not is_classification(run)):
        yield (
            f"{_names(unchecked)}: it was never checked whether people of the training set are in the test "
            "sets too; if some are, scores are too high. To check, run nsface overlap."
        )
    if found := _of(systems, lambda run: any(entry.found for entry in run.overlap)):
        yield f"{_names(found)}: people of the training set seem to be in a test set: scores may be too high."
    without = _of(systems, lambda run: any("embeddings" not in entry.ways for entry in run.overlap))
    if without:
        yield (
            f"{_names(without)}: training and test people were compared by name or picture only, so the same "
            "person under another name would not have been found."
        )


def _unfinished(systems: Sequence[System], pairs: Sequence[Pair]) -> Iterator[str]:
    unfinished = _of(systems, lambda run: not RunFolder(run.folder).has_model())
    if unfinished:
        yield f"{_names(unfinished)}: the training is not finished, or the model was removed."


def _tests(systems: Sequence[System], pairs: Sequence[Pair]) -> Iterator[str]:
    """What the tests themselves leave open."""
    rows = [row for pair in pairs for row in pair.headlines]
    single = _all_or([system.name for system in systems if len(system.runs) == 1], systems)
    measured = measured_keys(systems)
    if measured and single and len(systems) == 1:
        yield "There is one seed only: how much another seed would change is not known."
    elif measured and single:
        yield (
            f"{_names(single)}: trained with one seed{' each' if len(systems) > 1 else ''}. A difference is "
            "one between these networks; whether other seeds would give it too is not known."
        )
    classes = all(is_classification(run) for system in systems for run in system.runs)
    if any(row.over_seeds for row in rows):
        yield (
            "Tests over seeds know the chance of training, not that of the test set: on other "
            f"{'images' if classes else 'people'} the difference may be another."
        )
    if len(rows) > 1:
        yield (
            f"The p values are not corrected for the {len(rows)} differences tested: where there is no "
            "difference at all, one test in twenty finds one by chance."
        )
    if untested := [row.label for row in rows if row.difference.interval is None]:
        yield (
            f"{_names(untested)}: no trusted test could be made, because names do not say who is in which "
            "pairs, or because all differences are equal."
        )


def _of(systems: Sequence[System], holds: Callable[[Run], bool]) -> list[str]:
    """The names of the runs for which `holds`; where it does for all of a system, the system's."""
    found = []
    for system in systems:
        names = [run.name for run in system.runs if holds(run)]
        found += [system.name] if len(names) == len(system.runs) else names
    return _all_or(found, systems)


def _all_or(names: list[str], systems: Sequence[System]) -> list[str]:
    """`names`, or `All systems` for those of all where they are many."""
    many = len(systems) > 2 and names == [system.name for system in systems]
    return [f"All {len(systems)} systems"] if many else names


def _names(names: Sequence[str]) -> str:
    """`a, b and c`; of many the first."""
    if len(names) > MOST:
        return listing(list(names), MOST)
    return joined(names)
