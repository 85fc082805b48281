"""Several ranks train the model that one process trains. Real processes, on Gloo."""

from __future__ import annotations

import copy
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.distributed as dist
import yaml
from safetensors.torch import load_file
from torch import Tensor, nn

from nsface.errors import NsfaceError, RecipeError
from nsface.heads import HEADS, Head
from nsface.heads.arcface import ArcFace
from nsface.heads.other_identities import Classes, reduce_blocked, reduce_plain
from nsface.heads.shard import Shard
from nsface.images.pixels import decode_into, load_pixels
from nsface.images.sources import open_source
from nsface.ranks import ALONE, Ranks, joined
from nsface.ranks.batch_norm import SharedBatchNorm, share_batch_norm
from nsface.ranks.replica import Replica
from nsface.recipe.finetuning import Freeze
from nsface.recipe.schema import Recipe
from nsface.run_folder import RunFolder
from nsface.training import shared_pixels, validation_sets
from nsface.training.loop import Interrupted
from nsface.training.run import train
from nsface.training.trainer import Trainer

IDENTITIES = 7  # divides among neither 2 nor 3 ranks
# fresh features are short: where they are normalised, the first gradients are large
GENTLE = {"learning_rate": 0.01, "clip_norm": 1.0}
BALANCED = {"sampler": {"identities": 3, "images": 4}}
RUNS: dict[str, dict[str, Any]] = {
    "softmax": {"head": {"name": "softmax", "bias": True}},
    "noisy": {"head": {"name": "noisy-softmax", "alpha2": 0.5}, "optimizer": {"clip_norm": 0.05}},
    "arcface": {"head": {"name": "arcface", "scale": 8.0, "alpha2": 0.1}, "optimizer": GENTLE, **BALANCED},
    "together": {
        "head": {"name": "normface", "learn_scale": True},
        "auxiliary": [{"name": "center", "weight": 0.1}, {"name": "triplet"}],
        "optimizer": GENTLE,
        **BALANCED,
    },
    "normalised": {
        "head": {"name": "softmax"},
        "network": {"name": "light-resnet", "embedding_size": 8, "channels": 2},
        "optimizer": {"learning_rate": 0.05},
    },
}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise that differs from identity to identity, 16 × 16."""
    folder = tmp_path_factory.mktemp("faces")
    draw = np.random.default_rng(0)
    for identity in range(IDENTITIES):
        (folder / str(identity)).mkdir()
        face = draw.integers(0, 256, (16, 16, 3))
        for image in range(6):
            pixels = np.clip(face + draw.integers(-50, 50, face.shape), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / str(identity) / f"{image}.png"), pixels)
    return folder


def settings(faces: Path, **changes: Any) -> dict[str, Any]:
    """A network without batch normalisation, and no random augmentation."""
    optimizer = {"learning_rate": 0.1, "nesterov": True} | changes.pop("optimizer", {})
    size = {} if "sampler" in changes else {"batch_size": 12}
    return {
        "data": str(faces),
        "input": {"height": 16, "width": 16},
        "network": {"name": "sphereface-4", "embedding_size": 8},
        "augmentation": {"mirror": False},
        "optimizer": optimizer,
        "schedule": {"kind": "cosine"},
        "epochs": 1,
        "log_every": 1,
        "device": "cpu",
        "precision": "fp32",
        **size,
        **changes,
    }


def recipe(faces: Path, **changes: Any) -> Recipe:
    return Recipe.model_validate(settings(faces, **changes))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@dataclass(frozen=True)
class End:
    """How a process ended, and what it wrote."""

    status: int
    out: str
    err: str


def start(python: str, count: int, function: Callable[..., None], *paths: Path) -> list[End]:
    """Call `function(ranks, *paths)`, of this file, on `count` ranks, as torchrun would start them."""
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": count}
    processes = []
    for rank in range(count):
        given = {name: str(value) for name, value in (where | {"RANK": rank, "LOCAL_RANK": rank}).items()}
        processes.append(
            subprocess.Popen(
                [python, __file__, function.__name__, *map(str, paths)],
                env=os.environ | {"OMP_NUM_THREADS": "1"} | given,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
    texts = [process.communicate(timeout=300) for process in processes]
    return [End(process.returncode, *both) for process, both in zip(processes, texts, strict=True)]


def log(out: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "images_per_second"} for line in lines]


def tensors(state: object, name: str = "") -> dict[str, Tensor]:
    """All tensors of a checkpoint, by where they are in it."""
    if isinstance(state, Tensor):
        return {name: state}
    items = state.items() if isinstance(state, dict) else ()
    return {path: x for key, value in items for path, x in tensors(value, f"{name}/{key}").items()}


def assert_same_run(one: Path, other: Path) -> None:
    """Weights, momentum and everything else in the checkpoint; the model; and every line of the log."""
    states = [torch.load(out / "checkpoints" / "latest.pt", weights_only=True) for out in (one, other)]
    expected, found = (tensors(state) for state in states)
    assert found.keys() == expected.keys()
    assert any("momentum" in name for name in found)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=2e-6, msg=lambda m: f"{name}: {m}")  # noqa: B023
    assert states[0]["step"] == states[1]["step"]
    assert load_file(other / "model.safetensors").keys() == load_file(one / "model.safetensors").keys()
    for expected_line, line in zip(log(one), log(other), strict=True):
        assert line == pytest.approx(expected_line, rel=1e-4, abs=1e-5)


def interrupted(ranks: Ranks, chosen: Recipe, out: Path, stop_at: int) -> None:
    """Train up to `stop_at`, where the last rank alone gets a SIGTERM."""
    step = Trainer._train_step

    def and_stop(self: Trainer, *arguments: Any, **options: Any) -> Any:
        result = step(self, *arguments, **options)
        if self.step == stop_at and ranks.rank == ranks.count - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    Trainer._train_step = and_stop  # type: ignore[method-assign]
    try:
        with pytest.raises(Interrupted, match=f"after step {stop_at} "):
            train(chosen, out, ranks=ranks)
    finally:
        Trainer._train_step = step  # type: ignore[method-assign]
    ranks.wait()


def validated(faces: Path, out: Path, ranks: Ranks = ALONE) -> None:
    """Train on three people and validate on four, in batches of five images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation_sets, "BATCH", 5)
        changes: dict[str, Any] = {"batch_size": 6, "validate": {"held_out": 4, "every": 0.5}}
        train(recipe(faces, head={"name": "softmax"}, **changes), out, ranks=ranks)


def train_on_two(ranks: Ranks, faces: Path, out: Path) -> None:
    validated(faces, out / "validated", ranks)
    for name, changes in RUNS.items():
        train(recipe(faces, **changes), out / name, ranks=ranks)
    interrupted(ranks, recipe(faces, **RUNS["noisy"]), out / "begun-by-two", 2)
    with pytest.raises(
        RecipeError, match="batch_size: 9 images a step cannot be divided evenly among 2 ranks"
    ):
        train(recipe(faces, **RUNS["softmax"], batch_size=9), out / "uneven", ranks=ranks)
    sampled = {"name": "cosface", "scale": 8.0, "alpha2": 0.1, "sample_rate": 0.99}
    train(recipe(faces, head=sampled), out / "all-sampled", ranks=ranks)
    train_poisoned(ranks, faces, out / "poisoned")
    print("done")
    if ranks.rank == 1:
        raise NsfaceError("the second rank alone fails")
    ranks.wait()


POISONED: dict[str, dict[str, Any]] = {
    "skipped": {"guard": {"skip": 2}},
    "returned": {"guard": {"skip": 1, "then": "lower-rate"}},
}


def train_poisoned(ranks: Ranks, faces: Path, out: Path) -> None:
    """While the rate is the recipe's, the second batch's last image, on the last rank, is not finite."""
    step = Trainer._train_step

    def poisoned(self: Trainer, images: Tensor, labels: Tensor) -> Any:
        if self.step == 1 and self.returns.rate == 1 and ranks.rank == ranks.count - 1:
            images = images.clone()
            images[-1] = torch.nan
        return step(self, images, labels)

    Trainer._train_step = poisoned  # type: ignore[method-assign]
    try:
        for name, changes in POISONED.items():
            head = {"auxiliary": [{"name": "center"}], "head": {"name": "adaface", "scale": 8.0}}
            train(recipe(faces, **changes, **head, optimizer=GENTLE, log_every=3), out / name, ranks=ranks)
    finally:
        Trainer._train_step = step  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def two(faces: Path, tmp_path_factory: pytest.TempPathFactory, warm_python: str) -> tuple[Path, list[End]]:
    """What `train_on_two` leaves, and how both ranks end."""
    out = tmp_path_factory.mktemp("two")
    ends = start(warm_python, 2, train_on_two, faces, out)
    assert [end.out for end in ends] == ["done\n", "done\n"], "".join(end.err for end in ends)
    return out, ends


def test_an_error_on_one_rank_ends_the_others_without_a_word(two: tuple[Path, list[End]]) -> None:
    waiting, failed = two[1]
    assert failed.status == waiting.status == 1
    assert "NsfaceError: the second rank alone fails" in failed.err
    assert waiting.err == ""


def test_two_ranks_train_what_one_process_trains(
    faces: Path, tmp_path: Path, two: tuple[Path, list[End]]
) -> None:
    of_two = two[0]
    for name, changes in RUNS.items():
        train(recipe(faces, **changes), tmp_path / name)
        assert_same_run(tmp_path / name, of_two / name)
    assert log(tmp_path / "noisy")[0]["gradient_norm"] > 0.05, "it must have been clipped"
    ranks, form = (environment(of_two / "softmax")[key] for key in ("ranks", "classifier"))
    assert (ranks, form) == (2, "sharded")
    assert environment(tmp_path / "softmax")["ranks"] == 1

    validated(faces, tmp_path / "validated")
    assert_same_run(tmp_path / "validated", of_two / "validated")
    alone, shared = (RunFolder(out / "validated") for out in (tmp_path, of_two))
    scores = [[(line["step"], line["accuracy"]) for line in run.read_validation()] for run in (alone, shared)]
    assert scores[0] == scores[1]
    assert [step for step, _ in scores[0]] == [2, 3]
    assert load_file(shared.best_model_file).keys() == load_file(alone.best_model_file).keys()
    assert alone.read_held_out() == shared.read_held_out()

    train(recipe(faces, **RUNS["noisy"]), of_two / "begun-by-two", resume=True)
    assert_same_run(tmp_path / "noisy", of_two / "begun-by-two")
    assert not (of_two / "uneven").exists()
    sampled = {"name": "cosface", "scale": 8.0, "alpha2": 0.1}
    train(recipe(faces, head=sampled), tmp_path / "all-sampled")
    assert_same_run(tmp_path / "all-sampled", of_two / "all-sampled")


def test_ranks_skip_a_step_and_go_back_together(
    faces: Path, tmp_path: Path, two: tuple[Path, list[End]]
) -> None:
    train_poisoned(Ranks(), faces, tmp_path / "poisoned")
    for name in POISONED:
        assert_same_run(tmp_path / "poisoned" / name, two[0] / "poisoned" / name)
    assert log(tmp_path / "poisoned" / "skipped")[0]["skipped"] == 1
    assert [one["to"] for one in environment(two[0] / "poisoned" / "returned")["returns"]] == [0]


def environment(out: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((out / "environment.json").read_text())
    return read


def test_three_ranks_compute_what_one_does_and_go_on_with_its_run(
    faces: Path, tmp_path: Path, warm_python: str
) -> None:
    chosen = recipe(faces, **RUNS["together"])
    train(chosen, tmp_path / "whole")
    interrupted(Ranks(), chosen, tmp_path / "begun-by-one", 2)
    ends = start(warm_python, 3, compute_and_go_on, faces, tmp_path)
    assert [end.status for end in ends] == [0, 0, 0], "".join(end.err for end in ends)
    assert_same_run(tmp_path / "whole", tmp_path / "begun-by-one")
    whole, again = (load_file(tmp_path / name / "model.safetensors") for name in ("three", "same-again"))
    assert all(torch.equal(whole[name], again[name]) for name in whole), "to the same bits on as many ranks"


def compute_and_go_on(ranks: Ranks, faces: Path, out: Path) -> None:
    for identities in (3, IDENTITIES):
        check_n(Shard(identities, ranks.rank, ranks.count))
    for name in HEADS:
        check_head(name, Shard(IDENTITIES, ranks.rank, ranks.count))
    check_sampled(Shard(40, ranks.rank, ranks.count))
    check_decoding(ranks, faces)
    check_batch_norm(ranks)
    check_replica(ranks)
    train(recipe(faces, **RUNS["together"]), out / "begun-by-one", ranks=ranks, resume=True)
    normalised = recipe(faces, **RUNS["normalised"])
    train(normalised, out / "three", ranks=ranks)
    interrupted(ranks, normalised, out / "same-again", 1)
    at_every_step = recipe(faces, **RUNS["normalised"], checkpoint_minutes=1e-9 if ranks.first else 1e9)
    train(at_every_step, out / "same-again", ranks=ranks, resume=True)


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def check_n(shard: Shard) -> None:
    """N, and what is highest, sharded against plain, with every gradient."""
    labels = torch.arange(9) % shard.identities
    upstream = drawn(9, seed=3)
    for unit in (False, True):
        features, weight, bias = (
            drawn(9, 4, seed=0) * 5,
            drawn(shard.identities, 4, seed=1),
            drawn(shard.identities, seed=2),
        )
        whole = [tensor.requires_grad_() for tensor in (features, weight, bias)]
        n, highest = reduce_plain(features, Classes(weight, bias, unit), labels)
        expected = torch.autograd.grad(n, whole, upstream)
        own = [features.detach(), *(shard.own_part(tensor.detach()) for tensor in (weight, bias))]
        own = [tensor.requires_grad_() for tensor in own]
        sharded = reduce_blocked(own[0], Classes(own[1], own[2], unit, shard), labels, block_size=2)
        found = torch.autograd.grad(sharded[0], own, upstream)
        torch.testing.assert_close(sharded[0], n, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(sharded[1], highest, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found[0], expected[0], rtol=1e-10, atol=1e-12)
        for one, other in zip(found[1:], expected[1:], strict=True):
            torch.testing.assert_close(one, shard.own_part(other), rtol=1e-10, atol=1e-12)
        factors = torch.bfloat16
        n, _ = reduce_blocked(features, Classes(weight, bias, unit, factors=factors), labels)
        expected = torch.autograd.grad(n, whole, upstream)
        classes = Classes(own[1], own[2], unit, shard, factors)
        rounded = reduce_blocked(own[0], classes, labels, block_size=2)[0]
        found = torch.autograd.grad(rounded, own, upstream)
        torch.testing.assert_close(rounded, n, rtol=1e-12, atol=1e-12)
        for one, other in zip(found, (expected[0], *map(shard.own_part, expected[1:])), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def check_head(name: str, shard: Shard) -> None:
    """Whole against divided: what it gives, its state after the step, and every gradient."""
    labels = torch.arange(9) % shard.identities
    results = []
    for divided in (False, True):
        features = (drawn(9, 4, seed=0) * 5).requires_grad_()
        head: Head = HEADS[name](4, shard.identities).double()
        if name in ("softmax", "noisy-softmax", "label-smoothing", "disturb-label"):
            head.bias = nn.Parameter(drawn(shard.identities, seed=2))
        head.weight.data.copy_(drawn(shard.identities, 4, seed=1))
        if divided:
            head.divide(shard)
            assert len(head.weight) < shard.identities
        head.reseed(5)
        head.advance(700, 1000)
        output = head(features, labels)
        output.loss.mean().backward()
        gradients = [torch.as_tensor(p.grad) for p in head.parameters_by_identity().values()]
        rows = [g if divided else shard.own_part(g) for g in gradients]
        outputs = [output.loss.detach(), output.correct.double(), output.probability, output.gradient]
        results.append([*outputs, features.grad, *rows, *head.buffers()])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-11)


def check_sampled(shard: Shard) -> None:
    """Sampled classes of a divided head against an undivided head of just those classes."""
    labels = torch.tensor([3, 3, 25, 39, 0, 25])
    weights = drawn(shard.identities, 4, seed=1)
    sampled = ArcFace(4, shard.identities, sample_rate=0.3, alpha2=0.1).double()
    sampled.weight.data.copy_(weights)
    sampled.divide(shard)
    drawn_before = []
    for seed in (5, 6):
        sampled.reseed(seed)
        features = drawn(6, 4, seed=0).requires_grad_()
        output = sampled(features, labels)
        parts = list(torch.autograd.grad(output.loss.sum(), [features, sampled.weight]))
        used = parts[1].abs().sum(dim=1).nonzero().flatten() + shard.held.start
        every: list[Any] = [None] * shard.ranks
        dist.all_gather_object(every, (output.loss.tolist(), used.tolist()))
        assert all(loss == every[0][0] for loss, _ in every), "the same on all ranks"
        assert [len(rows) for _, rows in every] == [6, 6, 6], (
            "the labels or 0.3 of each block, if that is more"
        )
        kept = torch.tensor([row for _, rows in every for row in rows])
        assert set(labels.tolist()) <= set(kept.tolist())
        drawn_before.append(kept.tolist())
        alone = ArcFace(4, len(kept), alpha2=0.1).double()
        alone.weight.data.copy_(weights[kept])
        alone.reseed(seed)
        whole = features.detach().requires_grad_()
        expected = alone(whole, torch.searchsorted(kept, labels))
        gradients = torch.autograd.grad(expected.loss.sum(), [whole, alone.weight])
        torch.testing.assert_close(output.loss, expected.loss, rtol=1e-10, atol=1e-11)
        torch.testing.assert_close(parts[0], gradients[0], rtol=1e-10, atol=1e-11)
        own = torch.zeros_like(weights).index_copy(0, kept, gradients[1])[shard.held]
        torch.testing.assert_close(parts[1], own, rtol=1e-10, atol=1e-11)
    assert drawn_before[0] != drawn_before[1]


def check_decoding(ranks: Ranks, faces: Path) -> None:
    """One rank a machine decodes, and all have the pixels."""
    source = open_source(str(faces))
    indices, decoders = list(range(3, 13)), []

    def decode(*arguments: Any) -> dict[int, str]:
        decoders.append(ranks.rank)
        return decode_into(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_pixels, "decode_into", decode)
        expected = np.asarray(load_pixels(source, indices, 16, 16))
        for machine in (0, ranks.rank // 2):  # all on one, and the last on another
            patch.setattr("nsface.ranks.group.socket.gethostname", lambda machine=machine: f"host-{machine}")
            pixels = shared_pixels.decode_once(source, indices, 16, 16, ranks)
            assert np.array_equal(pixels, expected)
    assert sum(ranks.gathered(decoders), []) == [0, 0, 2]  # noqa: RUF017


def check_batch_norm(ranks: Ranks) -> None:
    """Normalised over all ranks against over the whole batch: output, gradients and running statistics."""
    batch, own = ranks.count * 2, ranks.batch_slice(ranks.count * 2)
    for norm, shape in (
        (nn.BatchNorm2d(3, momentum=0.3), (batch, 3, 2, 2)),
        (nn.BatchNorm1d(3, affine=False, momentum=None), (batch, 3)),
    ):
        alone = nn.Sequential(norm.double())
        shared = share_batch_norm(copy.deepcopy(alone), torch.device("cpu"))
        assert isinstance(shared.get_submodule("0"), SharedBatchNorm)
        for step in range(3):
            values = drawn(*shape, seed=step) * 3 + 100
            outputs, gradients = [], []
            for network, part in ((alone, slice(None)), (shared, own)):
                network.zero_grad()
                given = values[part].clone().requires_grad_()
                outputs.append(network(given))
                (outputs[-1] * drawn(*shape, seed=9)[part]).sum().backward()
                gradients.append([torch.as_tensor(x.grad) for x in (given, *network.parameters())])
            torch.testing.assert_close(outputs[1], outputs[0][own], rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(gradients[1][0], gradients[0][0][own], rtol=1e-9, atol=1e-10)
            for of_slice, whole in zip(gradients[1][1:], gradients[0][1:], strict=True):
                dist.all_reduce(of_slice)
                torch.testing.assert_close(of_slice, whole, rtol=1e-9, atol=1e-10)
        for name, buffer in alone.named_buffers():
            torch.testing.assert_close(shared.get_buffer(name), buffer, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(shared.eval()(values), alone.eval()(values))


def check_replica(ranks: Ranks) -> None:
    """Gradients are those of the whole batch: in one pass, in two, and where a layer is frozen meanwhile."""
    network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)).double()
    network.load_state_dict({name: drawn(*p.shape, seed=len(p)) for name, p in network.named_parameters()})
    images, own = drawn(2 * ranks.count, 4, seed=1), ranks.batch_slice(2 * ranks.count)
    expected = torch.autograd.grad(network(images).square().sum(), list(network.parameters()))
    replica = Replica(network, ranks.count)
    for frozen in (False, True, False):
        network[0].requires_grad_(not frozen)
        for parts in (1, 2, 1):
            network.zero_grad()
            *first, last = images[own].chunk(parts)
            for part in first:
                with replica.unsummed():
                    replica(part).square().sum().backward()
            replica(last).square().sum().backward()
            for gradient, parameter in zip(expected, network.parameters(), strict=True):
                assert (parameter.grad is None) == (not parameter.requires_grad)
                if parameter.grad is not None:
                    torch.testing.assert_close(parameter.grad, gradient, rtol=1e-12, atol=1e-12)
    network.requires_grad_(False)
    assert torch.equal(replica(images), network(images))


def fine_tuned(faces: Path, former: Path) -> Recipe:
    """Frozen for the first three of six steps, at a lower rate, on a person whom `former` does not know."""
    return recipe(
        faces,
        init=str(former / "model.safetensors"),
        freeze={"parts": ["stages.0", "stages.1"], "epochs": 1},
        optimizer={"learning_rate": 0.1, "nesterov": True, "backbone_rate": 0.3},
        head={"name": "softmax"},
        exclude=["0"],
        epochs=2,
    )


def fine_tune_on_three(ranks: Ranks, faces: Path, former: Path, out: Path) -> None:
    notes: list[str] = []
    train(fine_tuned(faces, former), out / "whole", ranks=ranks, note=notes.append)
    assert [": 5 of 6; new ones: 1" in line for line in notes[:1]] == [True] * ranks.first
    for stop_at in (3, 4):  # at the release, and after it
        parts = out / f"stopped-at-{stop_at}"
        interrupted(ranks, fine_tuned(faces, former), parts, stop_at)
        train(fine_tuned(faces, former), parts, ranks=ranks, resume=True)
    frozen = fine_tuned(faces, former).model_copy(update={"freeze": Freeze(parts=["all"])})
    train(frozen, out / "all-frozen", ranks=ranks)


def test_three_ranks_fine_tune_as_one_process_does(faces: Path, tmp_path: Path, warm_python: str) -> None:
    former, out = tmp_path / "former", tmp_path / "three"
    train(recipe(faces, exclude=["2"], head={"name": "softmax"}), former)
    ends = start(warm_python, 3, fine_tune_on_three, faces, former, out)
    assert [end.status for end in ends] == [0, 0, 0], "".join(end.err for end in ends)
    train(fine_tuned(faces, former), tmp_path / "one")
    assert_same_run(tmp_path / "one", out / "whole")
    whole = load_file(out / "whole" / "model.safetensors")
    for stop_at in (3, 4):
        resumed = load_file(out / f"stopped-at-{stop_at}" / "model.safetensors")
        assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    first, last = (load_file(run / "model.safetensors") for run in (former, out / "all-frozen"))
    assert all(torch.equal(first[name], last[name]) for name in first)


def test_fewer_identities_than_ranks() -> None:
    with pytest.raises(ValueError, match="2 identities cannot be divided among 3 ranks"):
        Shard(2, 0, 3)


def test_sigterm_to_torchrun_leaves_one_checkpoint(faces: Path, tmp_path: Path) -> None:
    written = tmp_path / "recipe.yaml"
    written.write_text(yaml.safe_dump(settings(faces, head={"name": "softmax"}, epochs=10**6)))
    out = tmp_path / "run"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    with (tmp_path / "messages").open("w") as messages:
        process = subprocess.Popen(
            [*torchrun, "-m", "nsface", "train", str(written), "--out", str(out)],
            stdout=messages,
            stderr=messages,
        )
        try:
            wait_for(out / "log.jsonl", process)
            process.terminate()
            assert process.wait(60) != 0
        finally:
            process.kill()
    assert [file.name for file in (out / "checkpoints").iterdir()] == ["latest.pt"]
    step = torch.load(out / "checkpoints" / "latest.pt", weights_only=True)["step"]
    assert log(out)[-1]["step"] == step, "all ranks stopped after the same step"
    text = (tmp_path / "messages").read_text()
    assert text.count("nsface") == 1 + text.count("-m nsface")
    assert f"nsface: stopped after step {step} of 3000000; go on with" in text


def wait_for(file: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if file.exists() and file.stat().st_size:
            return
        assert process.poll() is None
        time.sleep(0.1)
    raise AssertionError(f"no {file}")


if __name__ == "__main__":
    with joined() as ranks_here:
        globals()[sys.argv[1]](ranks_here, *map(Path, sys.argv[2:]))
