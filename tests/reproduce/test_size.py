"""How much was trained, in words: they follow what the user changes."""

from __future__ import annotations

from typing import Any

from tests.reproduce.small import made, outcome


def about(**changes: Any) -> str:
    return " ".join(made([outcome("softmax", 0, 0.1)], **changes).about)


def test_the_sentence_names_network_length_and_what_the_recipe_has() -> None:
    assert about() == (
        "vgg-cifar with 8 channels at first, 64 features and 75,608 parameters; 1,000 steps of 128 images, "
        "2.56 passes through 50,000 training images; learning rate 0.1, multiplied by 0.1 after steps 500 "
        "and 750. In place of what the recipe cifar10 has in brackets: network.embedding_size 64 (512), "
        "network.channels 8 (64), iterations 1,000 (10,000)."
    )


def test_it_follows_what_is_set() -> None:
    wider = about(network={"name": "vgg-cifar", "embedding_size": 32, "channels": 24}, iterations=200)
    assert "24 channels at first, 32 features" in wider
    assert "200 steps of 128 images, 0.512 passes" in wider
    assert "schedule.milestones [500.0, 750.0] ([100.0, 150.0])" in wider
    epochs = about(iterations=None, epochs=20, schedule={"kind": "cosine", "milestones": []})
    assert "20 passes through 50,000 training images; learning rate 0.1, schedule cosine." in epochs


def test_milestones_are_moved_whatever_the_order_in_which_that_is_computed() -> None:
    assert 12 / 10_000 * 5000.0 != 6.0
    moved = {"kind": "step", "milestones": [6.0, 9.0], "factor": 0.1}
    assert "milestones" not in about(iterations=12, schedule=moved)
    assert "schedule.milestones [6.0, 9.1] ([" in about(
        iterations=12, schedule=moved | {"milestones": [6.0, 9.1]}
    )


def test_the_recipe_as_it_is() -> None:
    full = made([outcome("softmax", 0, 0.1)]).full
    assert about(**{key: full[key] for key in ("network", "iterations", "schedule")}).endswith(
        "That is the recipe cifar10 as it is."
    )


def test_what_says_nothing_about_the_size_is_left_out() -> None:
    assert "log_every" not in about(log_every=7)
    assert "data" not in about(data="elsewhere")
