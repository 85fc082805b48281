"""A model in use: embeddings of images in memory equal those that `extract` makes of files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import nsface
from nsface.embeddings.model import Model
from nsface.errors import DataError, ModelError, NsfaceError
from nsface.images.sources import open_source
from nsface.synthetic import write_training_set
from tests.tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model") / "model.safetensors"
    return write_tiny_model(made, mean=120.0, std=70.0)


@pytest.fixture(scope="module")
def model(path: Path) -> Model:
    return nsface.load_model(path, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training_set(tmp_path_factory.mktemp("faces") / "x", identities=3, images=5)


@pytest.fixture(scope="module")
def images(faces: Path) -> np.ndarray:
    """The files of `faces` in the order of their names, read by OpenCV, as RGB."""
    files = sorted(faces.rglob("*.jpg"))
    return np.stack([np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR))[..., ::-1] for file in files])


@pytest.mark.parametrize("flip", ["none", "sum", "concat"])
def test_equals_extraction_to_the_last_bit(
    model: Model, path: Path, faces: Path, images: np.ndarray, flip: str
) -> None:
    options: dict[str, object] = {"flip": flip, "batch_size": 4}  # the last batch is not full
    source = open_source(str(faces))
    made = nsface.extract(path, source, device="cpu", precision="fp32", **options)  # type: ignore[arg-type]
    assert list(made.embeddings.names) == sorted(made.embeddings.names), "the order of `images`"
    found = model.embed(images, **options)  # type: ignore[arg-type]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.asarray(made.embeddings.vectors))


def test_tensors_mirrored_and_read_only_arrays_give_the_same(model: Model, images: np.ndarray) -> None:
    expected = model.embed(images)
    tensor = torch.from_numpy(images.copy()).permute(0, 3, 1, 2)
    fixed = images.copy()
    fixed.setflags(write=False)
    bgr = np.ascontiguousarray(images[..., ::-1])
    for same in (tensor, tensor.contiguous(), fixed, bgr[..., ::-1]):
        np.testing.assert_array_equal(model.embed(same), expected)


def test_embedding_is_the_network_on_normalised_pixels(model: Model, images: np.ndarray) -> None:
    pixels = torch.from_numpy(images.copy()).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        expected = model.network((pixels - 120) / 70).numpy()
    np.testing.assert_allclose(model.embed(images, flip="none"), expected, atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_pieces_of_a_batch_give_the_embeddings_of_the_whole(path: Path, precision: Any) -> None:
    model = nsface.load_model(path, device="cpu", precision=precision)
    pixels = np.random.default_rng(0).integers(0, 256, (71, 112, 96, 3), dtype=np.uint8)
    whole = dataclasses.replace(model, piece=None)
    # a piece of one image, the last, takes another way through a matrix product
    np.testing.assert_allclose(model.embed(pixels), whole.embed(pixels), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.embed(pixels[:64]), whole.embed(pixels[:64]))


def test_weights_in_use_do_not_change_with_the_file(tmp_path: Path, images: np.ndarray) -> None:
    file = write_tiny_model(tmp_path / "model.safetensors")
    model = nsface.load_model(file, device="cpu", precision="fp32")
    before = model.embed(images)
    with file.open("r+b") as opened:
        opened.truncate(1000)  # of what is mapped into memory, the rest could not be read any more
    np.testing.assert_array_equal(model.embed(images), before)


def test_one_image_and_none(model: Model, images: np.ndarray) -> None:
    np.testing.assert_array_equal(model.embed(images[0]), model.embed(images[:1]))
    assert model.embed(images[:0]).shape == (0, 16)
    assert model.embed(images[:0], flip="concat").shape == (0, 32)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((2, 112, 96, 3)), "images of type float64; give uint8"),
        (torch.zeros(2, 3, 112, 96), "images of type float32; give uint8"),
        (np.zeros((2, 3, 112, 96), np.uint8), r"an array of shape \(2, 3, 112, 96\) .* give \(N, H, W, 3\)"),
        (torch.zeros(2, 112, 96, 3, dtype=torch.uint8), r"a tensor .* give \(N, 3, H, W\)"),
        (np.zeros((112, 96), np.uint8), "holds no RGB images"),
        (np.zeros((2, 160, 150, 3), np.uint8), "160 × 150 pixels; .* takes 112 × 96 .* 'sphereface'"),
    ],
)
def test_other_images_are_refused(model: Model, wrong: np.ndarray | torch.Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        model.embed(wrong)


@pytest.mark.parametrize("wrong", [[], None, "face.jpg", b"", [np.zeros((112, 96, 3), np.uint8)]])
def test_what_is_no_array_is_refused(model: Model, wrong: Any) -> None:
    with pytest.raises(DataError, match=rf"images as a {type(wrong).__name__}; give an array or a tensor"):
        model.embed(wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flip": "mirror"}, "flip must be one of 'none', 'sum', 'concat', not 'mirror'"),
        ({"batch_size": 0}, "batch_size must be 1 or more, not 0"),
        ({"batch_size": -1}, "batch_size must be 1 or more, not -1"),
    ],
)
def test_wrong_options_are_refused(
    model: Model, path: Path, faces: Path, images: np.ndarray, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(NsfaceError, match=message):
        model.embed(images, **options)
    with pytest.raises(NsfaceError, match=message):
        nsface.extract(path, open_source(str(faces)), **options)


@pytest.mark.parametrize("options", [{"device": "mps"}, {"device": "tpu"}, {"precision": "fp16"}])
def test_other_devices_and_precisions_are_refused(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(NsfaceError, match="must be one of 'auto', "):
        nsface.load_model(path, **options)


def test_what_is_no_model_is_refused(faces: Path) -> None:
    with pytest.raises(ModelError, match="a folder, not a model file"):
        nsface.load_model(faces)
