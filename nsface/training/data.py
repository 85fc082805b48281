"""The data of a training run: its images, their labels, and the loader of its batches."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from nsface.errors import DataError, RecipeError, listing
from nsface.images.batches.loader import BatchLoader, Loader
from nsface.images.batches.sampling import IdentityBalanced, Sampler, Shuffled
from nsface.images.batches.streaming import StreamingLoader
from nsface.images.pixel_file import PixelFile
from nsface.images.pixels import Pixels, load_pixels, stored_pixels
from nsface.images.sources import Source, numbered, open_source
from nsface.images.sources.parts_of_sets import open_part
from nsface.ranks import Ranks
from nsface.recipe.schema import Recipe
from nsface.training.held_out import held_out_identities
from nsface.training.progress import Progress
from nsface.training.shared_pixels import decode_once

Note = Callable[[str], object]


def training_set(
    recipe: Recipe, note: Note | None = None, open_images: Callable[[Recipe], Source] | None = None
) -> tuple[Source, list[int], np.ndarray[Any, np.dtype[np.int64]], list[str]]:
    """The images that `recipe` trains with, without those of identities that are excluded or held out.

    `note` is called with a line about images that are not read.

    Returns:
        The source, the indices of the images in it that are used, their labels in [0, C), and the names of
        the C identities.

    Raises:
        RecipeError: the recipe names no data, or excludes an identity that is not there.
        DataError: there is no usable source, images lie outside the folders of identities, or there are fewer
            than two identities.
    """
    if recipe.data is None:
        raise RecipeError("no training images: give --data PATH, or `data:` in the recipe")
    source = (open_images or images_of)(recipe)
    folders = source.identities
    if "" in folders and not source.labelled:
        stray = source.names[folders.index("")]
        raise DataError(
            f"{recipe.data}: {stray} lies in no identity's folder; lay the images out as IDENTITY/IMAGE.jpg, "
            "or give a list with labels"
        )
    if not source.labelled and (above := sorted(_with_subfolders(folders))):
        stray = source.names[folders.index(above[0])]
        raise DataError(
            f"{recipe.data}: {stray} lies beside folders of identities, in {above[0]}; lay the images out as "
            "IDENTITY/IMAGE.jpg, or give a list with labels"
        )
    excluded = set(recipe.exclude)
    if unknown := sorted(excluded - set(folders)):
        raise RecipeError(f"exclude: no such identity in {recipe.data}: {listing(unknown)}")
    if recipe.held_out:
        excluded |= held_out_images(recipe, source).keys()
    # images whose label stands for nobody are left out, and `source.unread_note` counts them
    chosen = [index for index, folder in enumerate(folders) if folder and folder not in excluded]
    labels, identities = numbered(folders[index] for index in chosen)
    if len(identities) < 2:
        left = f" ({identities[0]})" if identities else ""
        out = f" beside the {len(excluded):,} that are excluded or held out" if excluded else ""
        raise DataError(
            f"{recipe.data}: {len(identities)} identity in use{left}{out}; training needs at least 2, each "
            "in a folder of its own"
        )
    if note is not None and source.unread_note:
        note(f"note: {source.unread_note}")
    return source, chosen, labels, identities


def images_of(recipe: Recipe) -> Source:
    """The images that `recipe` names: of a classification, those for training."""
    location = str(recipe.data)
    return open_part(location, "train") if recipe.task == "classification" else open_source(location)


def held_out_images(recipe: Recipe, source: Source) -> dict[str, list[int]]:
    """The images of each identity that `recipe` holds out of the training, by their numbers in `source`.

    Raises:
        RecipeError: there are not so many identities.
    """
    of_identity: dict[str, list[int]] = {}
    excluded = set(recipe.exclude)
    for index, identity in enumerate(source.identities):
        if identity and identity not in excluded:
            of_identity.setdefault(identity, []).append(index)
    images = {identity: len(indices) for identity, indices in of_identity.items()}
    return {name: of_identity[name] for name in held_out_identities(recipe.held_out, recipe.seed, images)}


def _with_subfolders(folders: Sequence[str]) -> set[str]:
    """Those of `folders` that contain another of them."""
    every = set(folders)
    return every & {folder[: match.start()] for folder in every for match in re.finditer("/", folder)}


def make_sampler(recipe: Recipe, labels: np.ndarray[Any, np.dtype[np.int64]]) -> Sampler:
    """The sampler of the batches: by identities where `recipe` says so, else all images in random order."""
    if recipe.sampler is None:
        return Shuffled(len(labels), recipe.batch_size, recipe.seed)
    return IdentityBalanced(labels, recipe.sampler.identities, recipe.sampler.images, recipe.seed)


def make_loader(
    recipe: Recipe,
    source: Source,
    chosen: list[int],
    labels: np.ndarray[Any, np.dtype[np.int64]],
    device: torch.device,
    ranks: Ranks,
    note: Note | None = None,
    decode: Callable[..., tuple[Pixels | PixelFile, np.ndarray[Any, np.dtype[np.int64]]]] | None = None,
) -> BatchLoader:
    """The loader of this rank's part of the batches; images are decoded now, or while the training runs.

    `decode` takes the place of `decoded`.

    Raises:
        RecipeError: a batch cannot be divided evenly among the ranks, or is to be computed in parts although
            there are fewer images than it should have.
        DataError: images cannot be used.
    """
    sampler = make_sampler(recipe, labels)
    if recipe.accumulate > 1 and sampler.batch_size < recipe.batch_size:
        raise RecipeError(
            f"accumulate: there are only {sampler.batch_size} images, fewer than batch_size "
            f"({recipe.batch_size}); give a smaller batch_size, or leave accumulate out"
        )
    part = ranks.batch_slice(sampler.batch_size)
    settings = (labels, sampler, recipe.augmentation, recipe.seed, device)
    if recipe.streaming is not None:
        height, width = recipe.input.height, recipe.input.width
        return StreamingLoader(source, chosen, height, width, recipe.streaming, *settings, part)
    pixels, rows = (decode or decoded)(recipe, source, chosen, ranks, note)
    return Loader(pixels, *settings, rows, part)


def decoded(
    recipe: Recipe, source: Source, chosen: list[int], ranks: Ranks, note: Note | None = None
) -> tuple[Pixels | PixelFile, np.ndarray[Any, np.dtype[np.int64]]]:
    """The pixels of the images, and the row of each chosen image among them.

    They are those of a packed store as it is, or decoded here, with lines of progress by `note`.
    """
    height, width = recipe.input.height, recipe.input.width
    stored = stored_pixels(source, height, width)
    if stored is not None:
        return stored, np.asarray(chosen, dtype=np.int64)
    with Progress("decoding", "images", len(chosen), note if ranks.first else None) as progress:
        rows, settings = np.arange(len(chosen)), (source, chosen, height, width)
        if recipe.cache is None and ranks.count > 1:
            return decode_once(*settings, ranks, progress.update), rows
        # who comes later finds the cache filled, where the machines share it and where they do not
        turn = 0 if ranks.first else 1 if ranks.first_on_machine() == ranks.rank else 2
        for _ in range(turn):
            ranks.wait()
        pixels = load_pixels(*settings, recipe.cache, progress.update)
        for _ in range(turn, 2):
            ranks.wait()
    return pixels, rows
