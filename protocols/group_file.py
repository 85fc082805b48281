"""Who is in which group: lines `person<TAB>group`, or `person<TAB>group<TAB>group…` for several attributes.

A first line that begins with `person` names the attributes. An empty cell says that the group of a person is
not known.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from nsface.errors import DataError, listing, shown
from nsface.protocols.lists import Line, read_lines, shorten

HEADER = "person"
MOST_GROUPS = 50  # of one attribute: more are names or measurements, and no groups


@dataclass(frozen=True)
class GroupFile:
    """Who is in which group.

    Attributes:
        source: the file.
        attributes: by the name of each column, the group of each person; without those whose cell is empty.
        people: everyone in the file.
    """

    source: str
    attributes: dict[str, dict[str, str]]
    people: list[str]

    def absent(self, listed: set[str]) -> list[str]:
        """People of the file who are not in a list."""
        return [person for person in self.people if person not in listed]

    def notes(self, listed: set[str], where: str) -> list[str]:
        """Sentences on how the file and the people of the list `where` differ."""
        found = []
        for name, group_of in self.attributes.items():
            if missing := sorted(listed - group_of.keys()):
                column = f" under '{shown(name)}'" if len(self.attributes) > 1 else ""
                found.append(
                    f"{shown(self.source)}: {len(missing)} of the {len(listed)} people of {shown(where)} "
                    f"have no group{column} ({listing(missing, 3)}); they are not compared"
                )
        if absent := self.absent(listed):
            some = listing(absent, 3)
            found.append(
                f"{shown(self.source)}: {len(absent)} of its people are not in {shown(where)} ({some})"
            )
        return found


def read_groups(path: str | os.PathLike[str]) -> GroupFile:
    """Read a file of groups.

    Raises:
        DataError: a malformed line, a person in two groups of one attribute, or more than 50 groups.
    """
    lines = read_lines(path)
    count = lines[0].text.count("\t")
    expected = "person" + "<TAB>group" * max(count, 1)
    header = _cells(lines[0], count, expected)
    names = [f"group {number}" for number in range(1, count + 1)] if count > 1 else ["group"]
    if header[0].lower() == HEADER:
        names, lines = header[1:], lines[1:]
        if not all(names) or len(set(names)) < len(names):
            raise _first(path, "a column without a name, or two of one name", "name them differently")
    if not lines:
        raise _first(path, "a header and nobody below it", "add lines person<TAB>group")
    attributes: dict[str, dict[str, str]] = {name: {} for name in names}
    seen: dict[str, tuple[int, list[str]]] = {}
    for line in lines:
        person, *groups = _cells(line, count, expected)
        number, before = seen.setdefault(person, (line.number, groups))
        if before != groups:
            raise line.error(
                f"'{person}' is in {_named(groups)} here and in {_named(before)} in line {number}",
                "correct one of them",
            )
        for name, group in zip(names, groups, strict=True):
            if group:
                attributes[name][person] = group
    for name, group_of in attributes.items():
        if (found := len(set(group_of.values()))) > MOST_GROUPS:
            raise DataError(
                f"{shown(path)}: {found} groups under '{shown(name)}'; give at most {MOST_GROUPS}, "
                "each of many people"
            )
    return GroupFile(str(path), attributes, list(seen))


def _cells(line: Line, count: int, expected: str) -> list[str]:
    cells = [cell.strip() for cell in line.text.split("\t")]
    if not count or len(cells) != count + 1 or not cells[0]:
        raise line.error(f"'{shorten(line.text)}' is not '{expected}'", "separate person and group by a tab")
    return cells


def _first(path: str | os.PathLike[str], problem: str, remedy: str) -> DataError:
    return DataError(f"{shown(path)}:1: {problem}; {remedy}")


def _named(groups: list[str]) -> str:
    return ", ".join(f"'{group}'" if group else "no group" for group in groups)
