"""Validation while training: the scores of the files, the bits of the training, the best state, resuming."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file

import nsface
from nsface.errors import DataError, DiskFull, NsfaceError, RecipeError
from nsface.images.sources import open_source
from nsface.model import read_description
from nsface.protocols import load_protocol
from nsface.protocols.bin_file import Bin, bin_trials
from nsface.recipe.schema import Recipe
from nsface.run_folder import RunFolder
from nsface.training.best import Best
from nsface.training.checkpoint import load_checkpoint
from nsface.training.loop import Interrupted
from nsface.training.progress import Progress
from nsface.training.run import describe_model, train
from nsface.training.saving import Saver
from nsface.training.trainer import Trainer
from nsface.training.validation import Validator
from nsface.training.validation_sets import ValidationSet
from tests.training.small_trainer import small_trainer

Line = dict[str, Any]
IDENTITIES, IMAGES = 12, 6
SIDE = 16


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise that differs from identity to identity, laid out and called as LFW."""
    folder = tmp_path_factory.mktemp("faces")
    draw = np.random.default_rng(0)
    for identity in range(IDENTITIES):
        name = f"Person_{identity:02d}"
        (folder / name).mkdir()
        face = draw.integers(0, 256, (SIDE, SIDE, 3))
        for image in range(1, IMAGES + 1):
            pixels = np.clip(face + draw.integers(-90, 90, face.shape), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / name / f"{name}_{image:04d}.png"), pixels)
    return folder


@pytest.fixture(scope="module")
def lfw_list(faces: Path) -> Path:
    """Two folds of 30 + 30 pairs in LFW's form."""
    lines, draw = ["2\t30"], np.random.default_rng(1)
    for fold in range(2):
        people = range(6 * fold, 6 * fold + 6)
        for number in range(30):
            one, two = draw.choice(IMAGES, 2, replace=False) + 1
            lines.append(f"Person_{people[number % 6]:02d}\t{one}\t{two}")
        for number in range(30):
            other = (number + 1 + number // 6 % 5) % 6
            one, two = draw.choice(IMAGES, 2) + 1
            lines.append(f"Person_{people[number % 6]:02d}\t{one}\tPerson_{people[other]:02d}\t{two}")
    path = faces.with_name("pairs.txt")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def bin_set(faces: Path) -> Path:
    images = [path.read_bytes() for path in sorted(faces.rglob("*.png"))[:40]]
    path = faces.with_name("tiny.bin")
    path.write_bytes(pickle.dumps((images, [number % 3 == 0 for number in range(20)])))
    return path


def recipe(faces: Path, **changes: Any) -> Recipe:
    settings = {
        "data": str(faces),
        "input": {"height": SIDE, "width": SIDE, "template": "none"},
        "network": {"name": "light-resnet", "embedding_size": 8, "channels": 4},
        "head": {"name": "softmax"},
        "augmentation": {"mirror": True, "shift": 2},
        "optimizer": {"learning_rate": 0.05},
        "schedule": {"kind": "step", "milestones": [1]},
        "epochs": 2,
        "batch_size": 12,
        "log_every": 2,
        "device": "cpu",
        "precision": "fp32",
    }
    return Recipe.model_validate(settings | changes)


def lines(out: Path) -> list[Line]:
    """What `validation.jsonl` says, but for the time it took."""
    found = [json.loads(line) for line in (out / "validation.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in found]


def same_weights(one: Path, other: Path) -> bool:
    here, there = load_file(one), load_file(other)
    return here.keys() == there.keys() and all(bool((here[name] == there[name]).all()) for name in here)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_scores_are_those_of_the_files(
    faces: Path, lfw_list: Path, bin_set: Path, tmp_path: Path, precision: Any
) -> None:
    wanted = [
        {"images": str(faces), "pairs": str(lfw_list)},
        {"bin": str(bin_set), "every": 0.5},
        {"held_out": 4, "every": 2},
    ]
    said: list[str] = []
    model = train(recipe(faces, validate=wanted, precision=precision), tmp_path, note=said.append)
    run = RunFolder(tmp_path)
    found = lines(tmp_path)
    assert [(line["step"], line["name"]) for line in found] == [
        (2, "tiny"), (4, "lfw"), (4, "tiny"), (6, "tiny"), (8, "lfw"), (8, "tiny"), (8, "held-out"),
    ]  # fmt: skip
    assert [line["epoch"] for line in found] == [line["step"] / 4 for line in found]
    last = {line["name"]: line for line in found[-3:]}

    loaded = nsface.load_model(model, device="cpu", precision=precision)
    embeddings = nsface.extract(loaded, open_source(faces)).embeddings
    assert scores(nsface.evaluate.lfw(embeddings, lfw_list)) == of(last["lfw"])
    pairs = load_protocol("pairs")(run.held_out_pairs_file)  # type: ignore[call-arg]
    assert scores(pairs.evaluate(embeddings)) == of(last["held-out"])
    source = open_source(bin_set)
    made = nsface.extract(loaded, source).embeddings
    trials = bin_trials(source.same, "")  # type: ignore[attr-defined]
    assert scores(Bin(bin_set).measure(made, trials).result()) == of(last["tiny"])

    best = max(found, key=lambda line: (line["accuracy"], line["auc"]) if line["name"] == "lfw" else (0,))
    chosen = read_description(run.best_model_file).selection
    assert chosen is not None
    assert (chosen.step, chosen.epoch, chosen.validation, chosen.accuracy, chosen.auc) == (
        best["step"], best["epoch"], "lfw", best["accuracy"], best["auc"],
    )  # fmt: skip
    assert read_description(model).selection is None
    loaded = nsface.load_model(run.best_model_file, device="cpu", precision=precision)
    embeddings = nsface.extract(loaded, open_source(faces)).embeddings
    assert scores(nsface.evaluate.lfw(embeddings, lfw_list)) == of(best)
    assert any("lfw chooses best.safetensors: if it is a test list" in line for line in said)
    assert said[-1].startswith(f"validation: lfw {100 * last['lfw']['accuracy']:.2f} ± ")


def scores(result: Any) -> tuple[float, float, float]:
    return result.accuracy, result.standard_error, result.auc


def of(line: Line) -> tuple[float, float, float]:
    return line["accuracy"], line["standard_error"], line["auc"]


def test_the_training_is_the_same_to_the_bit(faces: Path, lfw_list: Path, tmp_path: Path) -> None:
    network = {
        "name": "light-resnet", "embedding_size": 8, "channels": 4, "dropout": 0.3,
        "activation": {"name": "nah-tanh", "c_start": 3.0},
    }  # fmt: skip
    plain = train(recipe(faces, network=network), tmp_path / "plain")
    validate = {"images": str(faces), "pairs": str(lfw_list), "every": 0.25}
    watched = train(recipe(faces, network=network, validate=validate), tmp_path / "watched")
    assert len(lines(tmp_path / "watched")) == 6
    assert same_weights(plain, watched)
    logs = [RunFolder(tmp_path / name).read_log() for name in ("plain", "watched")]
    for line in (line for log in logs for line in log):
        del line["images_per_second"]
    assert logs[0] == logs[1]
    assert read_description(plain).recipe_digest == read_description(watched).recipe_digest


def test_held_out_identities_are_not_trained_on(faces: Path, tmp_path: Path) -> None:
    train(recipe(faces, epochs=1, schedule={}, validate={"held_out": 5}), tmp_path)
    run = RunFolder(tmp_path)
    trained = load_checkpoint(run.latest_checkpoint, nsface.device.pick_device("cpu"))["identities"]
    held_out = run.read_held_out()
    assert len(held_out) == 5
    assert sorted([*trained, *held_out]) == [f"Person_{number:02d}" for number in range(IDENTITIES)]
    assert run.read_environment()["images"] == 7 * IMAGES
    with pytest.raises(RecipeError, match="differs from the recipe given in validate"):
        train(recipe(faces, epochs=1, schedule={}, validate={"held_out": 4}), tmp_path, resume=True)
    with pytest.raises(RecipeError, match=r"validate\.held_out: 13 identities cannot be .*; 12 have two"):
        train(recipe(faces, validate={"held_out": 13}), tmp_path / "other")
    with pytest.raises(DataError, match="0 identity in use beside the 12 that are excluded or held out"):
        train(recipe(faces, validate={"held_out": 12}), tmp_path / "other")


def die_in_the_third_validation(patch: pytest.MonkeyPatch) -> None:
    kill_at(patch, Validator, "_embedded", 3)


def die_between_validation_and_checkpoint(patch: pytest.MonkeyPatch) -> None:
    kill_at(patch, Saver, "save", 2)


def kill_at(patch: pytest.MonkeyPatch, cls: type, method: str, call: int) -> None:
    """Die as it begins the given call of a method."""
    original, calls = getattr(cls, method), [0]

    def dying(*arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] == call:
            raise SystemError("killed")
        return original(*arguments, **options)

    patch.setattr(cls, method, dying)


def stop_in_the_third_validation(patch: pytest.MonkeyPatch) -> None:
    original, calls = Validator._embedded, [0]

    def stopping(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments)

    patch.setattr(Validator, "_embedded", stopping)


@pytest.fixture(scope="module")
def whole(faces: Path, lfw_list: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never interrupted."""
    out = tmp_path_factory.mktemp("whole") / "run"
    train(recipe(faces, validate=[{"images": str(faces), "pairs": str(lfw_list), "every": 0.5}]), out)
    return out


@pytest.mark.parametrize(
    ("end", "error", "steps"),
    [
        (die_in_the_third_validation, SystemError, [3, 6]),
        (die_between_validation_and_checkpoint, SystemError, [3, 6, 9, 12]),
        (stop_in_the_third_validation, Interrupted, [3, 6]),
    ],
)
def test_a_resumed_run_has_the_scores_and_the_best_model_of_one_that_was_not_interrupted(
    faces: Path, lfw_list: Path, whole: Path, tmp_path: Path, end: Any, error: Any, steps: list[int]
) -> None:
    validate = [{"images": str(faces), "pairs": str(lfw_list), "every": 0.5}]
    with pytest.MonkeyPatch.context() as patch:
        end(patch)
        with pytest.raises(error):
            train(recipe(faces, validate=validate), tmp_path)
    assert [line["step"] for line in lines(tmp_path)] == steps
    model = train(recipe(faces, validate=validate), tmp_path, resume=True)
    assert same_weights(model, whole / "model.safetensors")
    assert lines(tmp_path) == lines(whole)
    best, expected = (RunFolder(out).best_model_file for out in (tmp_path, whole))
    assert best.read_bytes() == expected.read_bytes()


def test_a_best_model_beyond_the_checkpoint_gives_way_to_that_of_the_checkpoint(
    faces: Path, lfw_list: Path, whole: Path, tmp_path: Path
) -> None:
    """A run that goes on in another way must not keep a model that it never had."""
    validate = [{"images": str(faces), "pairs": str(lfw_list), "every": 0.5}]
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, Saver, "save", 2)
        with pytest.raises(SystemError):
            train(recipe(faces, validate=validate), tmp_path)
    run = RunFolder(tmp_path)
    before = max(lines(tmp_path)[:2], key=lambda line: (line["accuracy"], line["auc"]))
    run.best_model_file.write_bytes(b"of another step, or damaged")
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, Validator, "_embedded", 1)
        with contextlib.suppress(SystemError):
            train(recipe(faces, validate=validate), tmp_path, resume=True)
    chosen = read_description(run.best_model_file).selection
    assert chosen is not None
    assert (chosen.step, chosen.accuracy) == (before["step"], before["accuracy"])


def test_another_list_and_another_time_may_be_chosen_when_a_run_goes_on(
    faces: Path, lfw_list: Path, bin_set: Path, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, Saver, "save", 2)
        with pytest.raises(SystemError):
            train(recipe(faces, validate={"images": str(faces), "pairs": str(lfw_list)}), tmp_path)
    train(recipe(faces, validate={"bin": str(bin_set), "every": 0.5}), tmp_path, resume=True)
    assert [(line["step"], line["name"]) for line in lines(tmp_path)] == [
        (6, "lfw"),
        (9, "tiny"),
        (12, "tiny"),
    ]
    chosen = read_description(RunFolder(tmp_path).best_model_file).selection
    assert chosen is not None
    assert chosen.validation == "tiny"


def test_a_best_model_for_which_there_is_no_room_is_written_later(
    faces: Path, lfw_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, failing, said = Best.save, [2], list[str]()

    def save(*arguments: Any) -> None:
        if failing[0]:
            failing[0] -= 1
            raise DiskFull("cannot write best.safetensors: no space left on device")
        original(*arguments)

    monkeypatch.setattr(Best, "save", save)
    validate = {"images": str(faces), "pairs": str(lfw_list), "every": 0.5}
    train(recipe(faces, validate=validate), tmp_path / "later", note=said.append)
    run = RunFolder(tmp_path / "later")
    chosen = read_description(run.best_model_file).selection
    assert chosen is not None
    assert chosen.step == next(line["step"] for line in reversed(lines(run.path)) if line["best"])
    assert sum("no space left on device; the training goes on" in line for line in said) == 1
    failing[0] = 1000
    with pytest.raises(DiskFull, match="no space left on device; free some space and go on with the same"):
        train(recipe(faces, validate=validate | {"every": 2}), tmp_path / "never", note=print)


def broken_image(folder: Path, content: bytes) -> Path:
    path = folder / "Person_00" / "Person_00_0001.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    for number in range(2, 7):
        path.with_name(f"Person_00_{number:04d}.png").write_bytes(content)
    return folder


def test_what_is_wrong_is_said_before_the_training(faces: Path, lfw_list: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "own.txt"
    names = [f"Person_00/Person_00_000{number}.png" for number in range(1, 7)]
    pairs.write_text("".join(f"{names[n]}\t{names[n + 1]}\t{n % 2}\t{n // 2}\n" for n in range(4)))
    no_folds = tmp_path / "no-folds.txt"
    no_folds.write_text("".join(f"{names[n]}\t{names[n + 1]}\t{n % 2}\n" for n in range(4)))
    one_kind, one_image = tmp_path / "one-kind.txt", cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1]
    one_kind.write_text("".join(f"{names[n]}\t{names[n + 1]}\t1\t{n // 2}\n" for n in range(4)))
    all_alike = tmp_path / "all-alike.bin"
    all_alike.write_bytes(pickle.dumps(([one_image.tobytes()] * 40, [False] * 20)))
    large = cv2.imencode(".png", np.zeros((20, 20, 3), np.uint8))[1].tobytes()
    wrong: list[tuple[Line, str]] = [
        ({"images": "nowhere", "pairs": str(pairs)}, "nowhere: .*no such file"),
        ({"images": str(faces), "pairs": "nowhere.txt"}, "nowhere.txt: cannot be read: no such file"),
        ({"images": str(faces), "pairs": str(no_folds)}, "without folds there is no accuracy; add a fold"),
        ({"images": str(faces), "pairs": str(one_kind)}, "one-kind.txt: all pairs are of one person; add"),
        ({"bin": str(all_alike)}, "all-alike.bin: all pairs are of different people; add"),
        ({"images": str(faces), "pairs": __file__}, "not a list of pairs with folds; give LFW's"),
        (
            {"images": str(faces / "Person_01"), "pairs": str(pairs)},
            "5 of the 5 images in .*own.txt are not among its 6: .*; a name there is",
        ),
        (
            {"images": str(broken_image(tmp_path / "large", large)), "pairs": str(pairs)},
            "5 of 5 images cannot be used: .*20×20 .* where 16×16 is needed; align them",
        ),
        (
            {"images": str(broken_image(tmp_path / "cut", large[:50])), "pairs": str(pairs)},
            "5 of 5 images cannot be used: .*; mend them",
        ),
        ({"bin": str(lfw_list)}, r"pairs\.txt: pickle opcode \w+ at byte 0 is refused"),
    ]
    for validate, message in wrong:
        with pytest.raises(NsfaceError, match=message) as caught:
            train(recipe(faces, validate=validate), tmp_path / "run")
        assert "\n" not in str(caught.value)
        assert isinstance(caught.value, DataError)
    assert not (tmp_path / "run").exists()


def test_embeddings_that_are_not_finite_end_the_training(
    faces: Path, lfw_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Validator._weights

    def broken(self: Validator) -> Any:
        weights = original(self)
        next(iter(weights.values())).fill_(float("inf"))
        return weights

    monkeypatch.setattr(Validator, "_weights", broken)
    with pytest.raises(NsfaceError, match="embeddings of the network are not finite at step 6; no state had"):
        train(recipe(faces, validate={"images": str(faces), "pairs": str(lfw_list)}), tmp_path)
    assert not RunFolder(tmp_path).best_model_file.exists()


def test_scores_after_the_step_that_a_training_goes_back_to_are_forgotten(
    faces: Path, lfw_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, shown = Trainer._train_step, list[str]()

    def step(self: Trainer, images: Any, labels: Any) -> Any:
        diverging = self.returns.rate == 1 and self.step in (3, 4)
        return original(self, images * np.nan if diverging else images, labels)

    monkeypatch.setattr(Trainer, "_train_step", step)
    monkeypatch.setattr(Progress, "update", lambda self, count, state=None: shown.append(state or ""))
    validate = {"images": str(faces), "pairs": str(lfw_list), "every": 0.5}
    guard = {"skip": 2, "then": "lower-rate"}
    train(recipe(faces, validate=validate, guard=guard, log_every=1, epochs=1, schedule={}), tmp_path)
    assert [", lfw" in state for state in shown if state] == [False] * 2 + [True] + [False] * 2 + [True] * 4


@pytest.mark.parametrize(("made", "kept"), [(0, []), (4, [4])])
def test_a_validation_that_the_state_does_not_know_of_is_made_again(
    tmp_path: Path, made: int, kept: list[int]
) -> None:
    """A run that was stopped before a validation, went on with it, and was killed before its next state."""
    trainer, run, nothing = small_trainer(), RunFolder(tmp_path), cast(Any, None)
    trainer.step = 4
    line = {"step": 4, "epoch": 1.0, "name": "lfw", "accuracy": 0.9, "standard_error": 0.0, "auc": 0.9}
    run.validation_file.write_text(json.dumps(line) + "\n")
    pixels = np.zeros((0, SIDE, SIDE, 3), np.uint8)
    one = ValidationSet("lfw", 1.0, nothing, nothing, [], "", "", None, pixels)
    validator = Validator(trainer, run, [one], describe_model(trainer.recipe, 4))
    validator.restore({"validation": {"step": made, "best": None}})
    validator.begin()
    assert [score.step for score in validator.scores.values()] == kept
    assert [line["step"] for line in run.read_validation()] == kept
