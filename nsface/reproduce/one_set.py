"""All trainings of a table have the same images, or their errors could not be compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsface.errors import DataError, shown
from nsface.run_folder import RunFolder
from nsface.training.data import images_of

if TYPE_CHECKING:
    from nsface.reproduce.jobs import Job


def check_trained_images(jobs: Sequence[Job]) -> str | None:
    """Refuse trainings that have begun with different images, by the fingerprints that they recorded.

    Returns:
        The fingerprint of all that have begun; None where none has.

    Raises:
        DataError: with two of their folders.
    """
    folders: dict[str, RunFolder] = {}
    for job in jobs:
        if (data := _recorded(job)) is not None:
            folders.setdefault(data, RunFolder(job.folder))
    if len(folders) > 1:
        first, second = [shown(run.path) for run in folders.values()][:2]
        raise DataError(
            f"{first} and {second} were trained on different images, by the fingerprints in their "
            "environment.json, so they are not of one table; remove the folders of one set, or choose "
            "another --out"
        )
    return next(iter(folders), None)


def check_images(jobs: Sequence[Job]) -> None:
    """Refuse to begin trainings with other images than those that have begun already.

    Raises:
        DataError: the images are others, or cannot be opened, or those that have begun differ.
    """
    trained = check_trained_images(jobs)
    new = next((job for job in jobs if not job.ended and _recorded(job) is None), None)
    if trained is None or new is None:
        return
    source = images_of(new.recipe)
    if source.fingerprint() != trained:
        raise DataError(
            f"{shown(source.location)}: these are not the images of the trainings in "
            f"{shown(new.folder.parent)} (names, labels, sizes or bytes differ from their fingerprint); put "
            "those back, or choose another --out"
        )


def _recorded(job: Job) -> str | None:
    run = RunFolder(job.folder)
    if not os.path.exists(run.environment_file):
        return None
    data = run.read_environment().get("data")
    return None if data is None else str(data)
