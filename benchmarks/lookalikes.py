"""A list in FGLFW's form from LFW: its matched pairs, and the mismatched ones that look most alike.

    python benchmarks/lookalikes.py EMBEDDINGS pairs.txt people.txt -o fglfw-like.txt

It is not FGLFW, whose pairs people chose: score it with `nsface eval-fglfw --name fglfw-like`. Look-alikes
chosen by a system's own embeddings are the hardest for that very system.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from nsface.embeddings import Embeddings, load
from nsface.files import write_text
from nsface.protocols.fglfw import PAIRS
from nsface.protocols.lfw import Person, image, read_pairs, read_people
from nsface.protocols.trials import identity
from nsface.vectors import unit


def lookalikes(embeddings: Embeddings, people: list[Person], count: int) -> list[tuple[str, str]]:
    """The `count` most similar pairs of images of two people, each image at most once."""
    names = [image(person.name, i) for person in people for i in range(1, person.images + 1)]
    vectors = unit(embeddings.vectors[embeddings.rows(names)])
    owners = np.unique([identity(name) for name in names], return_inverse=True)[1]
    scores = vectors @ vectors.T
    scores[owners[:, None] == owners] = -2
    used: set[int] = set()
    chosen: list[tuple[str, str]] = []
    for place in np.argsort(-np.triu(scores, 1), axis=None, kind="stable").tolist():
        pair = divmod(place, len(names))
        if used.isdisjoint(pair):
            used.update(pair)
            chosen.append((names[pair[0]], names[pair[1]]))
            if len(chosen) == count:
                break
    return chosen


@click.command()
@click.argument("embeddings", type=click.Path(path_type=Path))
@click.argument("pairs", type=click.Path(path_type=Path))
@click.argument("people", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(embeddings: Path, pairs: Path, people: Path, output: Path) -> None:
    """Write the list."""
    trials, vectors = read_pairs(pairs), load(embeddings)
    lines: list[str] = []
    for fold, members in enumerate(read_people(people)):
        for place in np.flatnonzero(trials.same & (trials.fold == fold)):
            lines += [trials.left[place], trials.right[place]]
        for left, right in lookalikes(vectors, members, PAIRS):
            lines += [left, right]
    write_text(output, "".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
