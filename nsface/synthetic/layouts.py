"""Synthetic faces in the layouts of the public data sets.

    train/0000000/001.jpg                                training: a folder, or the same names in a tar
    lfw/Name_Surname/Name_Surname_0001.jpg
    ytf/frame_images_DB/Name_Surname/0/0.1.jpg
    pairs.txt, people.txt, pair_FGLFW.txt, subjects.txt, splits.txt
    lfw_identification/trial01/closed_gallery.txt        ten draws, four lists each

What is guaranteed: the pixels and the lists depend on the arguments alone, not on the machine, the number of
workers, the order of rendering or the versions of NumPy and OpenCV; and the first identities and images of
a larger training set are those of a smaller one. The bytes of the JPEG files are the same as long as the
encoder is (OpenCV's wheels carry libjpeg-turbo, whose default transform is integer arithmetic); another
encoder may give other files from the same pixels.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nsface.errors import NsfaceError
from nsface.files import reason, replacing, write_text
from nsface.synthetic import lists
from nsface.synthetic.identification import TRIALS, Draw
from nsface.synthetic.identity import TEST, TRAINING
from nsface.synthetic.production import Shot, produce
from nsface.synthetic.rendering import Size

Progress = Callable[[int, int], None]  # called with the images written so far, and how many there will be


@dataclass(frozen=True)
class LfwSet:
    """Where an LFW-shaped set lies.

    Attributes:
        images: the folder of `Name/Name_0001.jpg`.
        pairs, people, look_alikes: lists in the form of LFW's and FGLFW's.
        subjects: names of the people for identification, one a line.
        trials: folders with the lists of one random draw of that protocol each.
        familiar: the numbers of these people, for `write_ytf_set`; known once the set is written.
    """

    images: Path
    pairs: Path
    people: Path
    look_alikes: Path
    subjects: Path
    trials: tuple[Path, ...]
    familiar: tuple[int, ...] = ()

    @classmethod
    def in_folder(cls, folder: Path) -> LfwSet:
        """The places that `write_lfw_set` writes to, whether it has done so or not."""
        pairs, people, look_alikes, subjects = (
            folder / f"{name}.txt" for name in ("pairs", "people", "pair_FGLFW", "subjects")
        )
        trials = tuple(folder / "lfw_identification" / f"trial{i:02d}" for i in range(1, TRIALS + 1))
        return cls(folder / "lfw", pairs, people, look_alikes, subjects, trials)


@dataclass(frozen=True)
class YtfSet:
    """Where a YTF-shaped set lies: the folder of `Name/<video>/<video>.<frame>.jpg`, the list of pairs."""

    images: Path
    splits: Path

    @classmethod
    def in_folder(cls, folder: Path) -> YtfSet:
        """The places that `write_ytf_set` writes to, whether it has done so or not."""
        return cls(folder / "ytf" / "frame_images_DB", folder / "splits.txt")


def write_training_set(
    path: str | os.PathLike[str],
    identities: int = 8,
    images: int = 12,
    seed: int = 0,
    *,
    size: Size = Size.H112_W96,
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write `identities` people with `images` images each to `path`.

    A path that ends in `.tar` gets `train/<id>/001.jpg`, any other is a folder and gets `<id>/001.jpg`.

    Raises:
        NsfaceError: `path` cannot be written.
    """
    target = Path(path)
    shots = (
        Shot(f"{identity:07d}/{image:03d}.jpg", TRAINING, identity, image)
        for identity in range(identities)
        for image in range(1, images + 1)
    )
    files = _reporting(produce(shots, seed, size, workers), identities * images, progress)
    if target.suffix == ".tar":
        _write_tar(target, files)
    else:
        _write_files(target, files)
    return target


def write_lfw_set(
    folder: str | os.PathLike[str],
    folds: int = 4,
    pairs: int = 10,
    seed: int = 0,
    *,
    people: int | None = None,
    size: Size = Size.H112_W96,
    workers: int = 1,
    progress: Progress | None = None,
) -> LfwSet:
    """Write an LFW-shaped set to `folder`: in each fold `pairs` same, `pairs` different, `pairs` look-alikes.

    LFW itself is 10 × 300 with 5,749 `people`; the default keeps that proportion.

    Raises:
        DataError: too few people for the pairs.
        NsfaceError: `folder` cannot be written.
    """
    count = lists.lfw_people(folds, pairs) if people is None else people
    members = lists.lfw_folds(seed, folds, pairs, count)
    same = [lists.same_pairs(seed, i, fold, pairs) for i, fold in enumerate(members)]
    different = [lists.different_pairs(seed, i, fold, pairs) for i, fold in enumerate(members)]
    alike = [lists.look_alike_pairs(seed, i, fold, pairs) for i, fold in enumerate(members)]
    familiar = lists.subjects(members)

    result = LfwSet.in_folder(Path(folder))
    shots = [
        Shot(member.image(image), TEST, member.number, image)
        for fold in members
        for member in fold
        for image in range(1, member.count + 1)
    ]
    _write_files(result.images, _reporting(produce(shots, seed, size, workers), len(shots), progress))
    write_text(result.pairs, lists.pairs_text(list(zip(same, different, strict=True))))
    write_text(result.people, lists.people_text(members))
    write_text(result.look_alikes, lists.look_alike_text(list(zip(same, alike, strict=True))))
    write_text(result.subjects, "".join(sorted(f"{member.name}\n" for member in familiar)))
    for number, trial in enumerate(result.trials):
        drawn = asdict(Draw.of(seed, number, members, familiar))
        _write_files(trial, ((f"{name}.txt", _lines(images)) for name, images in drawn.items()))
    return replace(result, familiar=tuple(member.number for member in familiar))


def write_ytf_set(
    folder: str | os.PathLike[str],
    folds: int = 4,
    pairs: int = 6,
    frames: int = 4,
    seed: int = 0,
    *,
    familiar: tuple[int, ...] = (),
    size: Size = Size.H112_W96,
    workers: int = 1,
    progress: Progress | None = None,
) -> YtfSet:
    """Write a YTF-shaped set to `folder`: videos of `frames` frames, in each fold `pairs` same and different.

    Args:
        familiar: numbers of people from an LFW-shaped set of the same seed, who appear in videos too.

    Raises:
        NsfaceError: `folder` cannot be written.
    """
    members = lists.video_folds(seed, folds, pairs, familiar)
    same = [lists.same_pairs(seed, 1000 + i, fold, pairs, first=0) for i, fold in enumerate(members)]
    different = [
        lists.different_pairs(seed, 1000 + i, fold, pairs, first=0) for i, fold in enumerate(members)
    ]
    result = YtfSet.in_folder(Path(folder))
    shots = [
        Shot(f"{member.name}/{video}/{video}.{frame}.jpg", TEST, member.number, video, frame)
        for fold in members
        for member in fold
        for video in range(member.count)
        for frame in range(1, frames + 1)
    ]
    _write_files(result.images, _reporting(produce(shots, seed, size, workers), len(shots), progress))
    write_text(result.splits, lists.splits_text(list(zip(same, different, strict=True))))
    return result


Files = Iterable[tuple[str, bytes]]  # names and contents


def _lines(names: list[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


def _reporting(files: Files, total: int, progress: Progress | None) -> Files:
    """`files`; after each has been taken, `progress` is called."""
    for done, file in enumerate(files, 1):
        yield file
        if progress:
            progress(done, total)


def _write_files(folder: Path, files: Files) -> None:
    """Write `files` below `folder`.

    Raises:
        NsfaceError: a file or folder cannot be written.
    """
    made = None
    try:
        for name, data in files:
            path = folder / name
            if path.parent != made:
                path.parent.mkdir(parents=True, exist_ok=True)
                made = path.parent
            path.write_bytes(data)
    except OSError as error:
        raise NsfaceError(f"cannot write {folder}: {reason(error)}") from error


def _write_tar(path: Path, files: Files) -> None:
    """Write `files` to a tar, below `train/`; no times or owners, so that equal images give equal tars."""
    try:
        with (
            replacing(path) as temporary,
            tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for name, data in files:
                member = tarfile.TarInfo(f"train/{name}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
                tar.members.clear()  # type: ignore[attr-defined]  # they would fill the memory
    except OSError as error:
        raise NsfaceError(f"cannot write {path}: {reason(error)}") from error
