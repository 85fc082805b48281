"""The protocol of IJB-B and IJB-C, template against template (1:1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nsface.embeddings.file import Embeddings
from nsface.metrics.roc import Roc, auc, eer, roc, tar_at_far
from nsface.metrics.shared_people import rate_interval, shared_people
from nsface.names import has_image_extension
from nsface.protocols.comparison import compare_templates
from nsface.protocols.curves import POINTS, histogram, roc_curve
from nsface.protocols.list_files import ListFile, distinct, is_number, nearest
from nsface.protocols.protocol import (
    FAR,
    AnyPath,
    Found,
    Measurement,
    Protocol,
    Start,
    option,
    scored_embeddings,
)
from nsface.protocols.templates import (
    Faces,
    TemplatePairs,
    failures,
    people_of,
    read_faces,
    read_template_pairs,
    score_templates,
    template_vectors,
    with_embedding,
)
from nsface.results import TemplateComparison, TemplateVerification
from nsface.results.curves import Curves
from nsface.results.rates import FailedToEnrol, TemplateTar

FARS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


@dataclass(frozen=True)
class Lists:
    """Faces, and pairs of their templates; None where these depend on which faces have an embedding."""

    faces: Faces
    pairs: TemplatePairs | None


@dataclass(frozen=True)
class ScoredTemplates(Measurement):
    """P pairs of templates with their scores.

    Attributes:
        scores: (P,) float32 cosines; −2 where a template failed to enrol.
        fars: those at which TAR is given.
        failed: None where no template may fail.
    """

    embeddings: Embeddings
    faces: Faces
    pairs: TemplatePairs
    scores: npt.NDArray[np.float32]
    fars: Sequence[float] = FARS
    failed: FailedToEnrol | None = None
    notes: Sequence[str] = ()

    @cached_property
    def curve(self) -> Roc:
        """The ROC over all template pairs."""
        return roc(self.scores, self.pairs.same)

    @cached_property
    def people(self) -> npt.NDArray[np.int64]:
        """Who each genuine pair shows, as a number."""
        return people_of(self.pairs)

    def result(self) -> TemplateVerification:
        genuine, shared = self.scores[self.pairs.same], shared_people(self.people)
        points = []
        for point in (tar_at_far(self.curve, far) for far in self.fars):
            accepted = genuine >= np.float64(point.threshold)
            ends = rate_interval(accepted, shared) if shared else None
            points.append(TemplateTar(**asdict(point), identity_interval=ends))
        return TemplateVerification(
            images=len(self.faces.images),
            templates=len(self.pairs.templates),
            pairs=len(self.pairs.same),
            genuine=int(self.pairs.same.sum()),
            auc=auc(self.curve),
            eer=eer(self.curve),
            tar_at_far=tuple(points),
            **scored_embeddings(self.embeddings),
            failure_to_enrol=self.failed,
        )

    def curves(self, name: str, points: int = POINTS) -> Mapping[str, Curves]:
        same = self.pairs.same
        return {name: Curves(roc=roc_curve(self.curve, points), histogram=histogram(self.scores, same))}


@dataclass(frozen=True)
class Ijb(Protocol[Lists, ScoredTemplates]):
    """Score EMBEDDINGS of faces on IJB-B or IJB-C, template against template.

    Faces of one medium are averaged, media are summed, and the template is normalised. The score is the
    cosine of two templates.

    Example:
      nsface eval-ijb ijbc.npz --faces ijbc_face_tid_mid.txt --pairs ijbc_template_pair_label.txt
    """

    comparable: ClassVar[Mapping[str, str]] = {"pairs": "pairs", "faces": "faces"}
    numbers_images: ClassVar[bool] = True  # IJB-B and IJB-C both have 1.jpg

    faces: AnyPath = option("*_face_tid_mid.txt.")
    pairs: AnyPath = option("*_template_pair_label.txt.")
    _: KW_ONLY
    failure_to_enrol: Literal["refuse", "lowest"] = option(
        "What to do with templates of which no face has an embedding: refuse the lists, or give their pairs "
        "the lowest score.",
        default="refuse",
    )
    far: tuple[float, ...] = option("FAR at which to report TAR; repeatable.", bounds=FAR, default=())

    @classmethod
    def found_among(cls, files: Sequence[ListFile]) -> Iterator[Found]:
        faces = distinct(file for file in files if file.mostly(_is_face))
        for pairs in distinct(file for file in files if file.mostly(_is_pair)):
            if media := nearest(pairs, faces):
                protocol = cls(media.path, pairs.path)
                yield Found(protocol, [media.path, pairs.path], copies=[*media.copies, *pairs.copies])
                faces = [file for file in faces if file is not media]
            else:
                problem = "there is no list of faces: *_face_tid_mid.txt is missing"
                yield Found(None, [pairs.path], problem=problem, copies=pairs.copies)
        for media in faces:
            problem = "there is no list of pairs: *_template_pair_label.txt is missing"
            yield Found(None, [media.path], problem=problem, copies=media.copies)

    def needed(self, embeddings: Embeddings, lists: Lists) -> Sequence[str]:
        return lists.faces.images

    def read(self) -> Lists:
        faces = read_faces(self.faces)
        if self.failure_to_enrol == "lowest":
            return Lists(faces, None)
        return Lists(faces, read_template_pairs(self.pairs, faces))

    def measure(self, embeddings: Embeddings, lists: Lists, start: Start | None = None) -> ScoredTemplates:
        enrolled, pairs, failed = lists.faces, lists.pairs, None
        if pairs is None:
            enrolled = with_embedding(lists.faces, embeddings)
            pairs = read_template_pairs(self.pairs, enrolled, failures=True)
            failed = failures(lists.faces, enrolled, pairs)
        scores = score_templates(template_vectors(embeddings, enrolled), pairs)
        return ScoredTemplates(embeddings, lists.faces, pairs, scores, self.far or FARS, failed)

    def compare(self, first: ScoredTemplates, second: ScoredTemplates) -> TemplateComparison:
        return compare_templates(first, second, self.far or FARS)


def _is_face(line: str) -> bool:
    """Whether a line is `image template media`."""
    fields = line.split()
    return len(fields) == 3 and has_image_extension(fields[0]) and all(map(is_number, fields[1:]))


def _is_pair(line: str) -> bool:
    """Whether a line is `template1 template2 label`."""
    fields = line.split()
    return len(fields) == 3 and all(map(is_number, fields)) and fields[2] in ("0", "1")
