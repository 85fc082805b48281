"""Validation sets: the pairs of a recipe's validations, with the pixels of their images in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, listing, shown
from nsface.images.decoding_memory import main_memory
from nsface.images.fitting import Fit
from nsface.images.pixels import decode_into, raise_if_unusable
from nsface.images.sources import BinSource, Source, open_source
from nsface.protocols.at_threshold import file_digest
from nsface.protocols.bin_file import Bin, bin_trials
from nsface.protocols.pair_lists import protocol_of
from nsface.protocols.pairs import OwnTrials, Pairs
from nsface.protocols.trials import Trials, trials
from nsface.protocols.verification import VerificationProtocol
from nsface.ranks import Ranks
from nsface.recipe.schema import Recipe
from nsface.recipe.validation import Validation
from nsface.results import Verification
from nsface.training.data import held_out_images
from nsface.training.held_out import check_line, held_out_pairs, pairs_text

BATCH = 128  # images that are embedded at once, as `nsface extract` does by default
HELD_OUT = "held-out"  # the name of the validation on identities that are held out

Note = Callable[[str], object]


@dataclass(frozen=True)
class HeldOut:
    """Identities that are held out of the training, and the text of the list of their pairs."""

    identities: Sequence[str]
    pairs: str


@dataclass(frozen=True)
class ValidationSet:
    """Pairs by which a network is scored, with this rank's part of the pixels of their images.

    Attributes:
        name: what to call it in the log.
        every: epochs from one validation to the next.
        protocol, lists: what scores embeddings of the images, and the pairs.
        names: of all images in the pairs, in the order in which they are embedded.
        source: what to call the images in messages.
        list_digest: the SHA-256 of the list of pairs, or of the `.bin` set.
        held_out: what was held out, where its images are those of training identities.
        pixels: uint8, N × H × W × 3; of several ranks, the batches of 128 images that this one embeds.
    """

    name: str
    every: float
    protocol: VerificationProtocol[Any]
    lists: Trials
    names: Sequence[str]
    source: str
    list_digest: str
    held_out: HeldOut | None
    pixels: npt.NDArray[np.uint8] = field(repr=False)

    def batches(self) -> Iterator[npt.NDArray[np.uint8]]:
        """The batches of images that this rank embeds."""
        for start in range(0, len(self.pixels), BATCH):
            yield self.pixels[start : start + BATCH]

    def measure(self, vectors: npt.NDArray[np.float32]) -> Verification:
        """The result of embeddings, one of each of `names`."""
        return self.protocol.measure(Embeddings(self.names, vectors, source=self.source), self.lists).result()


def validation_sets(
    recipe: Recipe, training: Source, ranks: Ranks, note: Note | None = None
) -> list[ValidationSet]:
    """Read the lists of the validations of `recipe`, and decode the images in them.

    Args:
        training: the images of the training set.
        note: called with a line about each set, and one that a test list chooses the best model.

    Raises:
        DataError: a list that cannot be scored over folds, or images that are missing, unreadable or of
            another size.
    """
    found: list[ValidationSet] = []
    for validation in recipe.validate:
        fit = Fit(recipe.input)
        made = _opened(validation, recipe, training, ranks, fit, {one.name for one in found})
        if note is not None:
            _say(made, fit, note)
        found.append(made)
    if found and found[0].held_out is None and note is not None:
        note(
            f"note: {shown(found[0].name)} chooses best.safetensors: if it is a test list, the score of "
            "that model on it is too high; report that of model.safetensors, or choose by `held_out`"
        )
    return found


def _say(made: ValidationSet, fit: Fit, note: Note) -> None:
    """Say what is validated on, and what makes its scores doubtful."""
    note(
        f"validation on {shown(made.name)}: {len(made.lists):,} pairs of {len(made.names):,} images "
        f"({made.pixels.nbytes / 2**20:,.0f} MiB of pixels in memory), every {made.every:g} epochs"
    )
    for sentence in (*made.protocol.notes(made.lists), *made.lists.notes(), *fit.notes(made.source)):
        note(f"note: {sentence}")


def _opened(
    validation: Validation, recipe: Recipe, training: Source, ranks: Ranks, fit: Fit, taken: set[str]
) -> ValidationSet:
    held_out: HeldOut | None = None
    protocol: VerificationProtocol[Any]
    lists: Trials
    if validation.held_out is not None:
        source, name = training, HELD_OUT
        protocol, lists, held_out = _held_out(recipe, training)
        listed = hashlib.sha256(held_out.pairs.encode("utf-8", "surrogateescape")).hexdigest()
    elif validation.bin is not None:
        source, name, protocol = (
            BinSource(Path(validation.bin)),
            Path(validation.bin).stem,
            Bin(validation.bin),
        )
        lists, listed = bin_trials(source.same, source.location), file_digest(validation.bin)
    else:
        pairs = str(validation.pairs)
        protocol = protocol_of(pairs)
        lists, listed = protocol.read(), file_digest(pairs)
        own = isinstance(protocol, Pairs)
        name = Path(pairs).stem if own else protocol.result_name(lists)
        source = open_source(str(validation.images))
    if lists.folds < 2:
        raise DataError(f"{shown(lists.source)}: without folds there is no accuracy; add a fold column")
    chosen = _in_lists(source, protocol, lists)
    names = [source.names[index] for index in chosen]
    _check_pairs(protocol, lists, names, source)
    return ValidationSet(
        name=_another(name, taken),
        every=validation.every,
        protocol=protocol,
        lists=lists,
        names=names,
        source=source.location,
        list_digest=listed,
        held_out=held_out,
        pixels=_decoded(source, chosen, fit, ranks),
    )


def _held_out(recipe: Recipe, training: Source) -> tuple[Pairs, Trials, HeldOut]:
    """Pairs of the identities that are held out, as `eval-pairs` would read them from a list."""
    images = held_out_images(recipe, training)
    names = {identity: [training.names[index] for index in images[identity]] for identity in images}
    person = {name: identity for identity, of_one in names.items() for name in of_one}
    for identity in images:
        check_line(identity)
    pairs = held_out_pairs(names, recipe.seed)
    made = trials(pairs, f"{len(images)} identities of {training.location}")
    lists = OwnTrials(made.left, made.right, made.same, made.fold, made.source, person=person.__getitem__)
    return Pairs(""), lists, HeldOut(list(images), pairs_text(pairs))


def _in_lists(source: Source, protocol: VerificationProtocol[Any], lists: Trials) -> list[int]:
    """The numbers of the images in the lists, in the order of the source.

    Raises:
        DataError: some are not there.
    """
    names = Embeddings(source.names, np.empty((len(source), 0), np.float32), source=source.location)
    if missing := protocol.missing(names, lists):
        raise DataError(
            f"{shown(source.location)}: {len(missing.names):,} of the {missing.needed:,} images in "
            f"{shown(lists.source)} are not among its {len(source):,}: {listing(missing.names, 3)}"
            + (f"; a name there is '{shown(source.names[0])}'" if len(source) else "")
        )
    return sorted(set(names.rows(lists.left + lists.right).tolist()))


def _check_pairs(
    protocol: VerificationProtocol[Any], lists: Trials, names: Sequence[str], source: Source
) -> None:
    """Score vectors that mean nothing.

    Raises:
        DataError: no embeddings can be scored on these pairs, such as where all are of one person.
    """
    vectors = np.random.default_rng(0).standard_normal((len(names), 2), np.float32)
    protocol.measure(Embeddings(names, vectors, source=source.location), lists)


def _decoded(source: Source, chosen: Sequence[int], fit: Fit, ranks: Ranks) -> npt.NDArray[np.uint8]:
    """The pixels of the images `chosen`, as `nsface extract` has them; of several ranks, this one's batches.

    Raises:
        DataError: images are unreadable or of another size, or too many for the memory.
    """
    batches = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
    own = [index for batch in batches[ranks.rank :: ranks.count] for index in batch]
    needed, memory = len(own) * fit.height * fit.width * 3, main_memory()
    if needed > memory // 4:
        raise DataError(
            f"{shown(source.location)}: {needed / 2**30:.1f} GiB of pixels to validate on, against "
            f"{memory / 2**30:.1f} GiB of memory; give a shorter list"
        )
    pixels = np.empty((len(own), fit.height, fit.width, 3), np.uint8)
    raise_if_unusable(source, decode_into(pixels, source, own, fit=fit), len(own), "mend them")
    return pixels


def _another(name: str, taken: set[str]) -> str:
    """`name`, or `name-2`, … where it is taken."""
    names = (name, *(f"{name}-{number}" for number in range(2, len(taken) + 2)))
    return next(one for one in names if one not in taken)
