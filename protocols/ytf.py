"""YouTube Faces: pairs of videos, and templates pooled from their frames.

`splits.txt` has comma-separated lines `split, index, video A, video B, same`, with or without a header line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from nsface.embeddings.file import Embeddings
from nsface.embeddings.meta import FRAMES, POOLING
from nsface.embeddings.pooling import group_rows, pooled
from nsface.errors import DataError, listing
from nsface.metrics.similarity import Floats, pair_scores
from nsface.protocols.list_files import ListFile
from nsface.protocols.lists import Line, read_lines
from nsface.protocols.protocol import AnyPath, Missing, OptionsError, option
from nsface.protocols.scored_pairs import ScoredPairs
from nsface.protocols.trials import Trials, trials
from nsface.protocols.verification import VerificationProtocol, measure, verify

Pooling = Literal["mean", "pairs"]
FRAME_PAIRS = 100  # at most so many frame pairs are averaged under `pairs`


@dataclass(frozen=True)
class Ytf(VerificationProtocol[Trials]):
    """Score EMBEDDINGS of frames (or of templates, one per video) on YouTube Faces.

    --pool mean compares templates, the normalised mean of a video's normalised frame embeddings; --pool pairs
    averages the cosines of up to 100 frame pairs.

    Example:
      nsface eval-ytf frames.npz --splits splits.txt
    """

    comparable: ClassVar[Mapping[str, str]] = {"pairs": "splits"}

    splits: AnyPath = option("splits.txt, with or without header.")
    _: KW_ONLY
    pool: Pooling = option("How the frames of two videos give one score.", default="mean")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pool == "pairs" and (self.center or self.pca or self.similarity != "cosine"):
            raise OptionsError(
                "`pool` pairs averages cosines of frames; `pca`, `center` and euclidean do not apply"
            )

    @classmethod
    def recognises(cls, file: ListFile) -> bool:
        def is_pair(line: str) -> bool:
            fields = line.split(",")
            return len(fields) == 5 and all(video.count("/") == 1 for video in fields[2:4])

        return file.mostly(is_pair)

    def missing(self, embeddings: Embeddings, lists: Trials) -> Missing | None:
        videos = {*lists.left, *lists.right}
        if self.pool == "mean" and _holds_templates(embeddings, list(videos)):
            absent = sorted(videos.difference(embeddings.names))
        else:
            absent = videos_of_frames(embeddings.names, lists)[1]
        return Missing("videos", absent, len(videos)) if absent else None

    def read(self) -> Trials:
        return read_splits(self.splits)

    def template_of(self, lists: Trials) -> Callable[[str], str | None] | None:
        if self.pool == "pairs":
            return None
        videos = {*lists.left, *lists.right}
        return lambda name: video if (video := video_of(name)) in videos else None

    def score(self, embeddings: Embeddings, trials: Trials) -> ScoredPairs:
        frames: int | None
        if self.pool == "pairs":
            scores, frames = frame_pair_scores(embeddings, trials)
            scored, pool = measure("ytf", trials, scores, "cosine", self.scoring["fars"]), "pairs"
        else:
            made = templates(embeddings, trials)
            scored, pool, frames = (
                verify("ytf", made.embeddings, trials, **self.scoring),
                made.pool,
                made.frames,
            )
        return replace(scored, details={"pool": pool, "frames": frames})


def read_splits(path: str | os.PathLike[str]) -> Trials:
    """Read `splits.txt`; `left` and `right` are videos, `Person/number`.

    Raises:
        DataError: a malformed line, an index repeated in its split, or splits that are not balanced.
    """
    lines = read_lines(path)
    if not lines[0].text.strip()[:1].isdigit():
        lines = lines[1:]  # the header says nothing that the lines do not
    if not lines:
        raise DataError(f"{path}:2: a header and no pairs; get the whole list")
    pairs, seen = [], set()
    for line in lines:
        split, index, left, right, same = _pair(line)
        if (split, index) in seen:
            raise line.error(f"pair {index} of split {split} occurs twice", "remove one")
        seen.add((split, index))
        pairs.append((left, right, same, split - 1))
    read = trials(pairs, str(path))
    for split in np.unique(read.fold):
        here = read.same[read.fold == split]
        if 2 * here.sum() != len(here):
            raise lines[-1].error(
                f"split {split + 1} has {here.sum()} matched and {(~here).sum()} mismatched pairs",
                "as many of each are needed; get the whole list",
            )
    return read


def _pair(line: Line) -> tuple[int, int, str, str, bool]:
    fields = line.fields(5, "split, index, video A, video B, same", separator=",")
    left, right = fields[2], fields[3]
    for video in (left, right):
        if video.count("/") != 1:
            raise line.error(f"'{video}' is no video", "Person/number is needed")
    same = line.flag(fields[4])
    if same != (left.split("/")[0] == right.split("/")[0]):
        raise line.error(f"'{left}' and '{right}' contradict the label {fields[4]}", "correct one of them")
    if left == right:
        raise line.error(f"'{left}' is paired with itself", "two videos are needed")
    return line.integer(fields[0], "split"), line.integer(fields[1], "index"), left, right, same


def video_of(name: str) -> str:
    """The video of a frame, in either public layout.

    Example:
        >>> video_of("Aaron_Eckhart/0/0.555.jpg")
        'Aaron_Eckhart/0'
    """
    return "/".join(name.split("/")[-3:-1])


def videos_of_frames(names: Sequence[str], wanted: Trials) -> tuple[list[str | None], list[str]]:
    """The video of each frame that the list needs, None for other images; and the videos without frames.

    Args:
        names: of the images, ending in `Person/number/frame.jpg`.
    """
    listed = {*wanted.left, *wanted.right}
    videos = [video if (video := video_of(name)) in listed else None for name in names]
    return videos, sorted(listed.difference(filter(None, videos)))


@dataclass(frozen=True)
class Templates:
    """How templates were made, for the result.

    Attributes:
        pool: `mean` or `pairs`, or what the embeddings file says when it holds a template a video.
        frames: frames behind the templates of the list's videos; None where the file does not say.
    """

    embeddings: Embeddings
    pool: str
    frames: int | None


def templates(embeddings: Embeddings, wanted: Trials) -> Templates:
    """A template for every video of the list: the mean of its frames' normalised embeddings, normalised.

    A file that holds templates already (`nsface extract --splits`, or `--template-depth 2`) is used as it is.

    Raises:
        DataError: videos without frames or template, all counted and the first ten named.
    """
    videos = sorted(set(wanted.left) | set(wanted.right))
    if _holds_templates(embeddings, videos):
        missing = sorted(set(videos) - set(embeddings.names))
        if missing:
            raise DataError(
                f"{embeddings.source}: {len(missing)} of {len(videos)} videos have no template: "
                f"{listing(missing)}; extract them all, with --splits or --template-depth 2"
            )
        counts = embeddings.meta.get(FRAMES)
        frames = sum(counts[row] for row in embeddings.rows(videos).tolist()) if counts else None
        return Templates(embeddings, str(embeddings.meta.get(POOLING, "given")), frames)
    rows = _frames(embeddings, videos)
    vectors = pooled(embeddings.vectors, [rows[video] for video in videos])
    made = Embeddings(videos, vectors, embeddings.meta, embeddings.source)
    return Templates(made, "mean", sum(len(rows[video]) for video in videos))


def frame_pair_scores(embeddings: Embeddings, wanted: Trials, seed: int = 0) -> tuple[Floats, int]:
    """Mean cosine over all frame pairs of two videos, or over 100 random ones where there are more.

    Returns:
        (P,) scores, and the number of frames of the videos in the list.

    Raises:
        DataError: videos without frames, or an embeddings file of templates.
    """
    videos = sorted(set(wanted.left) | set(wanted.right))
    if _holds_templates(embeddings, videos):
        raise DataError(
            f"{embeddings.source}: it holds a template a video, whose frames cannot be paired any more; "
            "choose --pool mean, or extract the frames themselves, without --splits and --template-depth"
        )
    rows = _frames(embeddings, videos)
    random = np.random.default_rng(seed)
    scores = np.empty(len(wanted))
    for i, (left, right) in enumerate(zip(wanted.left, wanted.right, strict=True)):
        a, b = rows[left], rows[right]
        total = len(a) * len(b)
        chosen = np.arange(total)
        if total > FRAME_PAIRS:
            chosen = random.choice(total, FRAME_PAIRS, replace=False)
        scores[i] = pair_scores(embeddings.vectors, a[chosen // len(b)], b[chosen % len(b)]).mean()
    return scores, sum(len(rows[video]) for video in videos)


def _holds_templates(embeddings: Embeddings, videos: list[str]) -> bool:
    return POOLING in embeddings.meta or set(videos) <= set(embeddings.names)


def _frames(embeddings: Embeddings, videos: list[str]) -> dict[str, np.ndarray]:
    rows = group_rows([video_of(name) for name in embeddings.names])
    missing = [video for video in videos if video not in rows]
    if missing:
        raise DataError(
            f"{embeddings.source}: {len(missing)} of {len(videos)} videos have no frames: "
            f"{listing(missing)}; extract them all, names ending in Person/number/frame.jpg"
        )
    return rows
