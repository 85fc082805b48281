"""A classification: its tests against scikit-learn, in the run folder, stopped and resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import accuracy_score, log_loss

from nsface.embeddings.model import load_model
from nsface.errors import DataError, ModelError, RecipeError
from nsface.heads import HEADS
from nsface.model import read_model
from nsface.networks import build
from nsface.ranks import Ranks
from nsface.recipe.keys import with_defaults
from nsface.recipe.schema import Recipe, load_recipe
from nsface.run_folder import RunFolder
from nsface.training import testing
from nsface.training.loop import Interrupted
from nsface.training.run import check_possible, train
from nsface.training.testing import ClassificationTests, result_of
from nsface.training.trainer import Diverged
from tests.training.small_trainer import small_trainer

CLASSES = ("bird", "cat", "dog")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, each a pattern with noise; 8 training images and 5 test images of each."""
    folder, draws = tmp_path_factory.mktemp("classes"), np.random.default_rng(0)
    for name in CLASSES:
        pattern = cv2.resize(draws.uniform(0, 255, (3, 3, 3)), (16, 16))
        for part, count in (("train", 8), ("test", 5)):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                image = (pattern + draws.normal(0, 60, pattern.shape)).clip(0, 255).astype(np.uint8)
                cv2.imwrite(str(folder / part / name / f"{number}.png"), image)
    return folder


def recipe(data: Path, **changes: Any) -> Recipe:
    settings = {
        "task": "classification",
        "data": str(data),
        "network": {"name": "vgg-cifar", "embedding_size": 8, "channels": 4, "mean_image": True},
        "input": {"height": 16, "width": 16},
        "head": {"name": "noisy-softmax", "alpha2": 0.1, "bias": True},
        "optimizer": {"learning_rate": 0.05},
        "epochs": 4,
        "batch_size": 6,
        "log_every": 1,
        "device": "cpu",
        "precision": "fp32",
    }
    return Recipe.model_validate(settings | changes)


def test_the_numbers_of_a_test_by_scikit_learn() -> None:
    draws = np.random.default_rng(1)
    logits = torch.from_numpy(draws.normal(0, 3, (200, 5)).astype(np.float32))
    labels = torch.from_numpy(draws.integers(0, 5, 200))
    found = result_of(logits, labels)
    probabilities = np.exp(logits.double().numpy())
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert found["error"] == pytest.approx(1 - accuracy_score(labels, logits.argmax(dim=1)))
    assert found["loss"] == pytest.approx(log_loss(labels, probabilities, labels=range(5)))
    own = probabilities[np.arange(200), labels]
    assert found["probability"] == pytest.approx(own.mean())
    assert found["saturated"] == pytest.approx((own > 0.999).mean())


def test_a_tie_is_wrong() -> None:
    assert result_of(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]))["error"] == 1


@pytest.mark.parametrize("name", HEADS)
def test_the_logits_of_every_head_are_those_of_its_output(name: str) -> None:
    torch.manual_seed(0)
    head = HEADS[name](8, 5)
    torch.nn.init.normal_(head.weight)
    head.eval()
    features, labels = torch.randn(40, 8), torch.arange(40) % 5
    output, logits = head(features, labels), head.logits(features)
    assert logits.shape == (40, 5)
    probability = logits.softmax(dim=1)[torch.arange(40), labels]
    torch.testing.assert_close(probability, output.probability, rtol=1e-4, atol=1e-6)
    assert torch.equal(logits.argmax(dim=1) == labels, output.correct)


def test_a_run_has_its_tests_and_learns(data: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    train(recipe(data, epochs=15, test_every=5), tmp_path / "run", note=notes.append)
    run = RunFolder(tmp_path / "run")
    tests = run.read_tests()
    assert [line["step"] for line in tests] == [20, 40, 60]
    assert [line["epoch"] for line in tests] == [5, 10, 15]
    assert tests[-1]["images"] == 15
    assert tests[-1]["error"] < 0.2
    assert not run.best_model_file.exists()
    best = min(line["error"] for line in tests)
    last = tests[-1]["error"]
    assert notes[-1].startswith(
        f"test error {100 * last:.2f} % after the last step, {100 * best:.2f} % in the best of 3 tests"
    )


def test_testing_leaves_the_training_as_it_is(data: Path, tmp_path: Path) -> None:
    often = load_file(train(recipe(data, test_every=0.25), tmp_path / "often"))
    seldom = load_file(train(recipe(data, test_every=100), tmp_path / "seldom"))
    assert all(torch.equal(tensor, seldom[name]) for name, tensor in often.items())
    assert len(RunFolder(tmp_path / "often").read_tests()) == 16
    (last,) = RunFolder(tmp_path / "seldom").read_tests()
    again = RunFolder(tmp_path / "often").read_tests()[-1]
    assert {**last, "seconds": 0} == {**again, "seconds": 0}


@pytest.mark.parametrize("stop", [1, 6, 7])
def test_a_stopped_run_ends_with_the_same_bits_and_tests(data: Path, tmp_path: Path, stop: int) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(recipe(data, test_every=0.5), whole)
    asked, usual = 0, ClassificationTests.validate_if_due

    def stopping(self: ClassificationTests, stopped: Any) -> bool:
        nonlocal asked
        asked += 1
        return usual(self, (lambda: True) if asked == stop + 1 else stopped)

    with (
        mock.patch.object(ClassificationTests, "validate_if_due", stopping),
        mock.patch("nsface.training.loop.Interruption") as interruption,
    ):
        type(interruption.return_value.__enter__.return_value).requested = property(
            lambda _: asked >= stop + 1
        )
        with pytest.raises(Interrupted):
            train(recipe(data, test_every=0.5), parts)
    train(recipe(data, test_every=0.5), parts, resume=True)
    one, other = load_file(whole / "model.safetensors"), load_file(parts / "model.safetensors")
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    lines = [
        [{**json.loads(line), "seconds": 0} for line in (run / "test.jsonl").read_text().splitlines()]
        for run in (whole, parts)
    ]
    assert lines[0] == lines[1]
    assert len(lines[0]) == 8


@pytest.mark.parametrize(("made", "kept"), [(0, []), (4, [4])])
def test_a_test_that_the_state_does_not_know_of_is_made_again(
    tmp_path: Path, made: int, kept: list[int]
) -> None:
    """A run that was stopped before a test, went on with it, and was killed before its next state."""
    trainer, run = small_trainer(), RunFolder(tmp_path)
    trainer.step = 4
    line = {"step": 4, "epoch": 1.0, "images": 9, "error": 0.5, "loss": 1.0, "probability": 0.5}
    run.test_file.write_text(json.dumps({**line, "saturated": 0.0, "ece": 0.1, "mce": 0.2}) + "\n")
    images = testing.LabelledImages("", np.zeros((0, 16, 16, 3), np.uint8), np.zeros(0, np.int64))
    tests = ClassificationTests(trainer, run, images)
    tests.restore({"test": made})
    tests.begin()
    assert [test.step for test in tests.tests] == [line["step"] for line in run.read_tests()] == kept


def test_logits_that_are_not_finite_end_the_training(data: Path, tmp_path: Path) -> None:
    overflowing = mock.patch.object(
        ClassificationTests, "_logits", return_value=torch.full((15, 3), float("inf"))
    )
    with overflowing, pytest.raises(Diverged, match="the logits of the test images are not finite at step 4"):
        train(recipe(data), tmp_path / "run")
    assert RunFolder(tmp_path / "run").read_tests() == []


def test_embeddings_subtract_the_mean_image_of_the_training(data: Path, tmp_path: Path) -> None:
    network: dict[str, Any] = {"name": "nin", "embedding_size": 8, "channels": 6}
    model = train(recipe(data, network={**network, "mean_image": True}, epochs=1), tmp_path / "run")
    own, description = read_model(model)
    weights = own.state_dict()
    files = sorted(data.glob("train/*/*.png"))
    pixels = np.stack([np.asarray(cv2.imread(str(file)), np.uint8)[..., ::-1] for file in files])
    mean = weights.pop("mean.image")
    expected = description.input.normalise(torch.from_numpy(pixels.mean(axis=0)).permute(2, 0, 1)[None])[0]
    torch.testing.assert_close(mean, expected.float(), atol=1e-5, rtol=0)
    plain = build(**network, height=16, width=16).eval()
    plain.load_state_dict(weights)
    images = description.input.normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
    found = load_model(model, device="cpu", precision="fp32").embed(pixels, flip="none")
    np.testing.assert_allclose(found, plain(images - mean).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_a_class_that_is_not_trained_is_refused(data: Path) -> None:
    with pytest.raises(DataError, match="classes of the test part that have no training images: bird, dog"):
        testing.images_to_test(recipe(data), ["cat", "horse"])


def test_classes_are_numbered_as_in_the_training(data: Path) -> None:
    found = testing.images_to_test(recipe(data), ["dog", "bird", "unused", "cat"])
    assert found.labels.tolist() == [1] * 5 + [3] * 5 + [0] * 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validate": [{"held_out": 4}]}, "validate: a classification has no pairs of faces"),
        ({"exclude": ["cat"]}, "exclude: a classification has no identities"),
    ],
)
def test_what_a_classification_has_not(data: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recipe(data, **changes)


def test_several_ranks_are_refused(data: Path) -> None:
    with pytest.raises(RecipeError, match="a classification trains in one process, not in 2 ranks"):
        check_possible(recipe(data), Ranks(0, 2))


def test_a_damaged_state_is_refused() -> None:
    tester = ClassificationTests.__new__(ClassificationTests)
    with pytest.raises(ModelError, match="what it says of tests is damaged"):
        tester.restore({"test": "seven"})


def test_recipes_of_before_are_of_embeddings() -> None:
    assert load_recipe("lfw-small").task == "embedding"
    assert with_defaults({})["task"] == "embedding"
