"""Extraction: what the mirrored image adds, and that batches, precision and order of images do not matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nsface.embeddings.extraction import extract
from nsface.errors import DataError
from nsface.images.sources import Source, open_source
from nsface.model import Description, Preprocessing, digest, save_model
from nsface.synthetic import write_training_set


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    description = Description(
        network="light-resnet",
        network_arguments={"channels": 8},
        embedding_size=16,
        input=Preprocessing(),
        head="softmax",
        head_arguments={},
        identities=2,
        recipe_digest="",
    )
    torch.manual_seed(0)
    save_model(path, description.build(), description)
    return path


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return open_source(
        str(write_training_set(tmp_path_factory.mktemp("faces") / "x", identities=3, images=5))
    )


def vectors(model: Path, faces: Source, **options: object) -> np.ndarray:
    return extract(model, faces, device="cpu", **({"precision": "fp32"} | options)).embeddings.vectors  # type: ignore[arg-type]


def test_flips(model: Path, faces: Source) -> None:
    none, both, pair = (vectors(model, faces, flip=flip) for flip in ("none", "sum", "concat"))
    assert pair.shape == (15, 32)
    assert np.array_equal(pair[:, :16], none)
    assert np.allclose(pair[:, :16] + pair[:, 16:], both, atol=1e-5)
    assert not np.allclose(pair[:, :16], pair[:, 16:], atol=1e-3), "the mirrored image is another image"


@pytest.mark.parametrize("batch_size", [1, 4, 15, 100])
def test_batches_do_not_matter(model: Path, faces: Source, batch_size: int) -> None:
    whole, parts = vectors(model, faces), vectors(model, faces, batch_size=batch_size)
    assert np.allclose(whole, parts, atol=1e-4)


def test_bfloat16_is_close(model: Path, faces: Source) -> None:
    single, half = vectors(model, faces), vectors(model, faces, precision="bf16")
    cosine = (single * half).sum(1) / np.linalg.norm(single, axis=1) / np.linalg.norm(half, axis=1)
    assert cosine.min() > 0.999
    assert not np.array_equal(single, half)
    assert half.dtype == np.float32


def test_meta_and_progress(model: Path, faces: Source) -> None:
    seen: list[int] = []
    result = extract(
        model, faces, device="cpu", precision="fp32", flip="none", batch_size=4, progress=seen.append
    )
    assert seen == [4, 4, 4, 3]
    assert list(result.embeddings.names) == list(faces.names)
    meta = result.embeddings.meta
    assert meta["model_digest"] == digest(model)
    assert (meta["flip"], meta["precision"], meta["images_skipped"]) == ("none", "float32", 0)


def test_nothing_good_is_an_error_even_when_bad_images_are_skipped(model: Path, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "1.jpg").write_text("text")
    source = open_source(str(tmp_path))
    with pytest.raises(DataError, match=r"1 of 1 images cannot be used: x/1\.jpg: not an image"):
        extract(model, source, device="cpu", skip_bad=True)
