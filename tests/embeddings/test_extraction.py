"""Extraction: what the mirrored image adds, and that batches, precision and order of images do not matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nsface.embeddings.extraction import extract
from nsface.embeddings.fusion import fuse
from nsface.embeddings.pooling import group_rows, pooled
from nsface.errors import DataError, ModelError
from nsface.files import digest
from nsface.images.sources import Source, open_source
from nsface.synthetic import write_training_set
from tests.tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another network, embedding size and normalisation."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "other.safetensors", 1, 24, mean=100.0)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return open_source(
        str(write_training_set(tmp_path_factory.mktemp("faces") / "x", identities=3, images=5))
    )


def vectors(model: Path, faces: Source, **options: object) -> np.ndarray:
    made = extract(model, faces, device="cpu", **({"precision": "fp32"} | options))  # type: ignore[arg-type]
    return np.asarray(made.embeddings.vectors)


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


def test_several_models_give_what_fusing_their_files_gives(model: Path, other: Path, faces: Source) -> None:
    both = extract([model, other], faces, device="cpu", precision="fp32").embeddings
    single = [extract(path, faces, device="cpu", precision="fp32").embeddings for path in (model, other)]
    fused = fuse(single)
    assert both.vectors.shape == (15, 40)
    np.testing.assert_allclose(both.vectors, fused.vectors, atol=1e-6)
    assert both.meta["flip"] == "sum"
    assert [part["model_digest"] for part in both.meta["fused"]] == [digest(model), digest(other)]
    np.testing.assert_allclose(np.linalg.norm(np.asarray(both.vectors)[:, :16], axis=1), 1, rtol=1e-5)


def test_models_that_need_other_images_are_refused(model: Path, faces: Source, tmp_path: Path) -> None:
    square = write_tiny_model(tmp_path / "square.safetensors", width=112)
    with pytest.raises(
        ModelError, match=r"square\.safetensors: it needs images of width 112, and .* of width 96"
    ):
        extract([model, square], faces, device="cpu")


def test_no_image_in_any_template_is_refused(model: Path, faces: Source) -> None:
    with pytest.raises(DataError, match="none of its 15 images belongs to a template"):
        extract(model, faces, templates=[None] * 15, device="cpu")


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_templates_are_pooled_as_images_come(model: Path, faces: Source, batch_size: int) -> None:
    templates = [None if i % 5 == 4 else f"t{i % 3}" for i in range(len(faces))]
    options = {"device": "cpu", "precision": "fp32", "batch_size": batch_size}
    made = extract(model, faces, templates=templates, **options).embeddings  # type: ignore[arg-type]
    single = vectors(model, faces)
    groups = group_rows([str(template) for template in templates])
    del groups["None"]
    assert made.names == list(groups)
    np.testing.assert_allclose(made.vectors, pooled(single, list(groups.values())), atol=1e-5)
    assert made.meta["pooling"] == "mean"
    assert made.meta["frames_per_template"] == [len(rows) for rows in groups.values()]


def test_templates_without_a_usable_image_are_named(model: Path, tmp_path: Path, faces: Source) -> None:
    for name in ("P/0", "P/1"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "1.jpg").write_text("text")
    (tmp_path / "P/0/2.jpg").write_bytes(faces.read(0))
    source = open_source(str(tmp_path))
    templates = [name.rpartition("/")[0] for name in source.names]
    made = extract(model, source, templates=templates, device="cpu", skip_bad=True)
    assert (made.embeddings.names, made.empty) == (["0"], ["1"])  # the common folder P is dropped
    assert len(made.bad) == 2
    with pytest.raises(DataError, match="2 of 3 images cannot be used"):
        extract(model, source, templates=templates, device="cpu")
