"""The probe against a network that is known to need one colour, range or crop, and against brute force."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nsface.embeddings.model import Model
from nsface.embeddings.probe import candidates, probe, sample
from nsface.errors import DataError
from nsface.images.sources import open_source
from nsface.preprocessing import Preprocessing


class FirstChannel(nn.Module):
    """The first channel, as 14×14 means; values beyond [-1, 1] are lost, as a trained network loses them."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images[:, :1].clamp(-1, 1), 14).flatten(1)


def model(**preprocessing: object) -> Model:
    images = Preprocessing.model_validate(
        {"height": 112, "width": 112, "std": 127.5, "template": "arcface"} | preprocessing
    )
    return Model("m", FirstChannel(), images, 196, torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images of each of 24 people, who are symmetric patterns in red; green and blue are noise."""
    folder, rng = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    for person in range(24):
        pattern = rng.integers(40, 216, (14, 6))
        (folder / f"p{person:02}").mkdir()
        for image in range(2):
            half = pattern + rng.normal(0, 25, pattern.shape)
            noisy = np.hstack([half, half[:, ::-1]])
            channels = [rng.integers(0, 256, (14, 12)), rng.integers(0, 256, (14, 12)), noisy.clip(0, 255)]
            small = np.stack(channels, axis=2).astype(np.uint8)  # OpenCV writes BGR
            large = cv2.resize(small, (96, 112), interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(folder / f"p{person:02}" / f"{image}.png"), large)
    return folder


def test_a_wrong_colour_order_is_pointed_out(faces: Path) -> None:
    found = probe(model(colour="BGR"), open_source(faces))
    assert (found.images, found.people) == (48, 24)
    assert found.better is not None
    assert found.better.colour == "RGB"
    assert found.verdict.startswith(
        "With RGB the mirrored image is found for 100% of the faces, with BGR for "
    )
    assert found.verdict.endswith("the network seems to expect RGB.")


def test_the_right_preprocessing_is_not_doubted(faces: Path) -> None:
    found = probe(model(), open_source(faces))
    assert found.better is None
    assert "seems to expect" not in found.verdict
    by_colour = {(c.colour, c.crop, c.mean): c for c in found.choices}
    assert by_colour["BGR", "112×112", 127.5].clearly_worse


def test_the_figures_equal_a_slow_computation(faces: Path) -> None:
    one, source = model(), open_source(faces)
    own = probe(one, source).choices[0]
    images = [np.pad(source.pixels(i), ((0, 0), (8, 8), (0, 0))) for i in range(48)]

    def embedded(image: np.ndarray) -> np.ndarray:
        vector = one.embed(np.ascontiguousarray(image), flip="none")[0].astype(float)
        length = float(np.linalg.norm(vector))
        return np.asarray(vector / length)

    plain = [embedded(image) for image in images]
    mirrored = [embedded(image[:, ::-1]) for image in images]

    def separation(kept: list[int]) -> float:
        genuine = [plain[i] @ plain[j] for i in kept for j in kept if i < j and i // 2 == j // 2]
        impostor = [plain[i] @ plain[j] for i in kept for j in kept if i // 2 != j // 2]
        return float((np.mean(genuine) - np.mean(impostor)) / np.std(impostor))

    found = [
        all(
            plain[i] @ mirrored[i] > max(plain[i] @ plain[k], plain[i] @ mirrored[k])
            for k in range(48)
            if k != i
        )
        for i in range(48)
    ]
    assert own.mirrored == np.mean(found)
    assert own.separation == pytest.approx(separation(list(range(48))), rel=1e-5)
    without_third = [i for i in range(48) if i // 2 != 2]
    assert own.replicates[2] == pytest.approx(separation(without_third), rel=1e-5)


def test_the_chosen_crop_is_what_extraction_embeds(faces: Path) -> None:
    narrow = probe(model(width=96, template="sphereface"), open_source(faces))
    assert [c.crop for c in narrow.choices[:3]] == ["112×96", "112×96", "112×112"]
    wide = probe(model(), open_source(faces))
    assert [c.crop for c in wide.choices[:3]] == ["112×112", "112×112", "112×96"]


def test_ranges_that_are_nearly_the_own_are_not_tried() -> None:
    tried = candidates(Preprocessing(mean=127.5, std=128.0), ["112×96"])
    assert [(p.mean, p.std) for p, _ in tried] == [(127.5, 128.0)] * 2 + [(0.0, 255.0), (0.0, 1.0)]


def test_pairs_of_one_person_are_taken_first() -> None:
    identities = ["a", "a", "a", "b", "", "", "c", "c"]
    assert sample(identities) == [0, 1, 3, 4, 5, 6, 7]
    many = sample([str(i // 3) for i in range(3000)])
    assert len(many) == 192
    assert len({i // 3 for i in many}) == 96
    assert max(many) > 2900


def test_what_cannot_be_probed(faces: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"faces of 112×96.*the model takes 56×56"):
        probe(model(height=56, width=56, template="56x56"), open_source(faces))
    for name in range(12):
        (tmp_path / f"{name}.png").write_bytes((faces / "p00" / "0.png").read_bytes())
        if name == 3:
            with pytest.raises(DataError, match="4 images; give 10"):
                probe(model(), open_source(tmp_path))
    assert "mirrored image" in probe(model(), open_source(tmp_path)).verdict
