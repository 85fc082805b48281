"""Weights of others: the same embeddings as with their own networks, and every key accounted for."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

import nsface
from nsface.errors import ModelError, NsfaceError
from nsface.importing import import_model, recognition
from nsface.model import HEADER, read_description, read_model
from nsface.networks import NETWORKS, build
from tests.importing.networks_of_others import AdaFaceNetwork, ArcFaceNetwork, shuffled

Weights = dict[str, Tensor]
Save = Callable[[Weights, Path], None]


def prefixed(weights: Weights, prefix: str) -> Weights:
    return {prefix + name: tensor for name, tensor in weights.items()}


def lightning(weights: Weights, path: Path) -> None:
    state = prefixed(weights, "model.") | {"head.kernel": torch.ones(512, 7), "head.t": torch.zeros(1)}
    moments = {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
    torch.save({"epoch": 3, "state_dict": state, "optimizer_states": [moments]}, path)


def arcface_checkpoint(weights: Weights, path: Path) -> None:
    kept = {"epoch": 1, "global_step": 9, "state_dict_backbone": prefixed(weights, "module.")}
    torch.save(kept | {"state_dict_softmax_fc": {"weight": torch.ones(7, 512)}}, path)


def legacy(weights: Weights, path: Path) -> None:
    torch.save(weights, path, _use_new_zipfile_serialization=False)


PLANS = functools.cache(recognition._plans)  # each network is planned once for all tests that use it
# name: how it is saved, and how many tensors are not the network's
SAVED: dict[str, tuple[Save, int]] = {
    "plain": (lambda weights, path: torch.save(weights, path), 0),
    "legacy": (legacy, 0),
    "module": (lambda weights, path: torch.save(prefixed(weights, "module."), path), 0),
    "state_dict": (lambda weights, path: torch.save({"state_dict": weights}, path), 0),
    "model": (lambda weights, path: torch.save({"model": prefixed(weights, "module.")}, path), 0),
    "backbone": (lambda weights, path: torch.save({"backbone": weights}, path), 0),
    "lightning": (lightning, 3),
    "arcface-checkpoint": (arcface_checkpoint, 1),
    "safetensors": (lambda weights, path: save_file(prefixed(weights, "model.net."), path), 0),
}


@pytest.fixture(scope="module")
def arcface() -> nn.Module:
    return shuffled(ArcFaceNetwork(18, 64))


@pytest.fixture(scope="module")
def adaface() -> nn.Module:
    return shuffled(AdaFaceNetwork(18, 64))


def faces(height: int = 112, width: int = 112) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8, generator=generator)


def embedded(path: Path, images: Tensor) -> Tensor:
    """By the network in the file; `load_model` folds its batch normalisation, which rounds differently."""
    network, description = read_model(path)
    with torch.no_grad():
        found: Tensor = network(description.input.normalise(images.float()))
    used = nsface.load_model(path, device="cpu", precision="fp32").embed(images, flip="none")
    assert_same(torch.from_numpy(used), found, within=5e-6)
    return found


def assert_same(found: Tensor, expected: Tensor, within: float = 1e-6) -> None:
    """Directions equal to `within`, and lengths."""
    torch.testing.assert_close(
        nn.functional.normalize(found), nn.functional.normalize(expected), rtol=0, atol=within
    )
    torch.testing.assert_close(found.norm(dim=1), expected.norm(dim=1), rtol=1e-5, atol=0)


@pytest.mark.parametrize("kind", SAVED)
def test_arcface_weights_in_every_file_give_its_embeddings(
    kind: str, arcface: nn.Module, tmp_path: Path
) -> None:
    save, left_out = SAVED[kind]
    save(arcface.state_dict(), tmp_path / "w.pth")
    imported = import_model(tmp_path / "w.pth", tmp_path / "m.safetensors", preset="arcface_torch")
    assert (imported.description.network, imported.description.embedding_size) == ("iresnet-18", 64)
    pixels = faces()
    with torch.no_grad():
        expected = arcface((pixels.float() / 255 - 0.5) / 0.5)
    assert_same(embedded(tmp_path / "m.safetensors", pixels), expected)
    said = [note for note in imported.notes if f"{left_out} tensor" in note]
    assert len(said) == bool(left_out)


@pytest.mark.parametrize("kind", SAVED)
def test_adaface_weights_in_every_file_give_its_embeddings(
    kind: str, adaface: nn.Module, tmp_path: Path
) -> None:
    SAVED[kind][0](adaface.state_dict(), tmp_path / "w.ckpt")
    imported = import_model(tmp_path / "w.ckpt", tmp_path / "m.safetensors", preset="adaface")
    assert (imported.description.network, imported.description.embedding_size) == ("ir-18", 64)
    pixels = faces()
    with torch.no_grad():
        direction, norm = adaface((pixels.flip(1).float() / 255 - 0.5) / 0.5)
    assert_same(embedded(tmp_path / "m.safetensors", pixels), direction * norm)


@pytest.mark.parametrize(("depth", "name"), [(34, "34"), (50, "50"), (100, "100")])
def test_depth_is_told_from_the_tensors(depth: int, name: str, tmp_path: Path) -> None:
    for make, family in ((ArcFaceNetwork, "iresnet"), (AdaFaceNetwork, "ir")):
        with torch.device("meta"):
            shapes = make(depth, 8, cells=42).state_dict()
        torch.save(
            {key: torch.ones(tensor.shape).to(tensor.dtype) for key, tensor in shapes.items()},
            tmp_path / "w.pth",
        )
        made = import_model(tmp_path / "w.pth", tmp_path / "m", preset="adaface", template="sphereface")
        assert made.description.network == f"{family}-{'101' if (family, name) == ('ir', '100') else name}"
        assert (made.description.input.height, made.description.input.width) == (112, 96)


def test_another_size_of_images_and_every_preprocessing(tmp_path: Path) -> None:
    network = shuffled(ArcFaceNetwork(18, 16, cells=2 * 3))
    torch.save(network.state_dict(), tmp_path / "w.pth")
    with pytest.raises(NsfaceError, match=r"height, width.*--input-size"):
        import_model(
            tmp_path / "w.pth", tmp_path / "m", colour="RGB", mean=0.0, std=255.0, template="sphereface"
        )
    std = (58.0, 57.0, 50.0)
    options: dict[str, Any] = {"height": 32, "width": 48, "mean": 0.0, "std": std, "template": "32x48"}
    import_model(tmp_path / "w.pth", tmp_path / "m", colour="BGR", **options)
    pixels = faces(32, 48)
    with torch.no_grad():
        expected = network(pixels.flip(1).float() / torch.tensor(std).view(3, 1, 1))
    # the values are five times as large as in [-1, 1], and so is what is rounded
    assert_same(embedded(tmp_path / "m", pixels), expected, within=1e-5)


def test_half_precision_is_converted_and_said(arcface: nn.Module, tmp_path: Path) -> None:
    halves = {k: t.half() if t.is_floating_point() else t for k, t in arcface.state_dict().items()}
    torch.save(halves, tmp_path / "w.pth")
    made = import_model(tmp_path / "w.pth", tmp_path / "m", preset="arcface_torch")
    assert any("float16 were converted to float32" in note for note in made.notes)
    weight = made.network.state_dict()["fc.weight"]
    assert torch.equal(weight, halves["fc.weight"].float())


def test_own_networks_fit_too(tmp_path: Path) -> None:
    network = build("sphereface-4", height=112, width=96, embedding_size=32).eval()
    torch.save({"net": network.state_dict()}, tmp_path / "w.pth")
    options: dict[str, Any] = {"colour": "RGB", "mean": 127.5, "std": 128.0, "template": "sphereface"}
    made = import_model(tmp_path / "w.pth", tmp_path / "m", **options)
    assert (made.description.network, made.description.input.width) == ("sphereface-4", 96)


@pytest.mark.parametrize(
    ("name", "embedding_size"),
    [*((name, 7) for name in NETWORKS), ("nin", 192), ("resnet-32", 64), ("vgg-16", 512)],
)
def test_every_network_is_told_from_its_weights(
    name: str, embedding_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From names and shapes; with some D there is no linear layer."""
    monkeypatch.setattr(recognition, "_plans", PLANS)
    with torch.device("meta"):
        weights = build(name, height=28, width=28, embedding_size=embedding_size).state_dict()
    found = recognition.recognise(weights, "it")
    # 28×28 pixels do not tell 112×96 ones
    assert (found.network, found.embedding_size, found.size) == (name, embedding_size, None)
    assert found.left_out == []


@pytest.mark.parametrize(
    ("name", "said"),
    [("ir101.pth", "101"), ("adaface_ir101_ms1mv2.pth", "101"), ("r100.pth", "100"), ("w600k_r18.pth", None)],
)
def test_a_name_that_lies_is_pointed_out(
    name: str, said: str | None, arcface: nn.Module, tmp_path: Path
) -> None:
    torch.save(arcface.state_dict(), tmp_path / name)
    notes = import_model(tmp_path / name, tmp_path / "m", preset="arcface_torch").notes
    expected = [f"{tmp_path / name}: its name says {said}, but its tensors are those of iresnet-18"]
    assert notes == (expected if said else [])


def test_the_header_says_where_the_weights_came_from(arcface: nn.Module, tmp_path: Path) -> None:
    import hashlib

    torch.save(arcface.state_dict(), tmp_path / "r18.pth")
    import_model(tmp_path / "r18.pth", tmp_path / "m", preset="arcface_torch")
    found = read_description(tmp_path / "m")
    assert (found.head, found.identities, found.network_arguments) == ("none", 0, {})
    assert found.origin is not None
    assert found.origin.file == "r18.pth"
    assert found.origin.digest == hashlib.sha256((tmp_path / "r18.pth").read_bytes()).hexdigest()
    assert found.origin.preset == "arcface_torch"
    with safe_open(tmp_path / "m", framework="pt") as file:
        assert json.loads(file.metadata()[HEADER])["origin"]["preset"] == "arcface_torch"


def refused(tmp_path: Path, weights: object, message: str, **options: Any) -> None:
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(NsfaceError, match=message) as error:
        import_model(tmp_path / "w.pth", tmp_path / "m", **{"preset": "arcface_torch"} | options)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "w.pth")) or "preset" in message
    assert not (tmp_path / "m").exists()


def changed(network: nn.Module, **changes: Tensor | None) -> Weights:
    weights = dict(network.state_dict())
    for name, value in changes.items():
        key = name.replace("__", ".")
        if value is None:
            del weights[key]
        else:
            weights[key] = value
    return weights


def test_keys_and_shapes_that_do_not_fit(arcface: nn.Module, adaface: nn.Module, tmp_path: Path) -> None:
    def one(message: str, **changes: Tensor | None) -> None:
        refused(tmp_path, changed(arcface, **changes), message)

    one(
        r"most like iresnet-18, but without layer3\.1\.bn2\.bias; the file is damaged",
        layer3__1__bn2__bias=None,
    )
    one(r"most like iresnet-18, but with extra\.weight, which it does not have", extra__weight=torch.ones(2))
    one(r"bn1\.weight is \(32,\), and iresnet-18 .* has \(64,\)", bn1__weight=torch.ones(32))
    one(r"fc\.weight is \(64,\)", fc__weight=torch.ones(64))
    one(r"weights are not finite \(bn1\.bias\)", bn1__bias=torch.full((64,), float("nan")))
    one(r"weights are not finite", bn1__bias=torch.full((64,), float("inf"), dtype=torch.half))
    one(r"bn1\.bias is int8", bn1__bias=torch.ones(64, dtype=torch.int8))
    one(
        r"repeat a few bytes",
        layer4__1__conv2__weight=torch.zeros(1).expand(512, 512, 3, 3),
        fc__weight=torch.zeros(1).expand(2048, 25088),
        fc__bias=torch.ones(2048),
        features__weight=torch.ones(2048),
        features__bias=torch.ones(2048),
        features__running_mean=torch.ones(2048),
        features__running_var=torch.ones(2048),
    )
    refused(
        tmp_path, arcface.state_dict(), "for images of 112×112: change --input-size", height=112, width=96
    )
    refused(tmp_path, arcface.state_dict(), "preset is called 'arcfase'", preset="arcfase")
    refused(tmp_path, arcface.state_dict(), "does not say the colour, mean, std, template", preset=None)
    refused(tmp_path, adaface.state_dict(), "not the weights of a network", network="iresnet-18")
    two = {"a": arcface.state_dict(), "b": arcface.state_dict()}
    refused(tmp_path, two, r"several networks are in it \(a, b\)")
    refused(tmp_path, AdaFaceNetwork(18, 8, 1, squeeze=True).state_dict(), "squeeze-and-excitation")


def resnet_50() -> dict[str, Tensor]:
    """The names and shapes of torchvision's ResNet-50, whose stages are called as those of an iResNet."""
    found = {
        "conv1.weight": torch.ones(64, 3, 7, 7),
        "fc.weight": torch.ones(1000, 2048),
        "fc.bias": torch.ones(1000),
    }

    def normalised(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.{part}"] = torch.ones(channels)
        found[f"{name}.num_batches_tracked"] = torch.tensor(1)

    normalised("bn1", 64)
    inputs = 64
    for stage, (blocks, width) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)], start=1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            shapes = [(width, inputs, 1), (width, width, 3), (4 * width, width, 1)]
            for number, (channels, before, side) in enumerate(shapes, start=1):
                found[f"{name}.conv{number}.weight"] = torch.ones(channels, before, side, side)
                normalised(f"{name}.bn{number}", channels)
            if block == 0:
                found[f"{name}.downsample.0.weight"] = torch.ones(4 * width, inputs, 1, 1)
                normalised(f"{name}.downsample.1", 4 * width)
            inputs = 4 * width
    return found


def test_other_architectures(tmp_path: Path) -> None:
    refused(tmp_path, resnet_50(), "without bn2.*and with layer1.*export it to ONNX")
    squeezenet = {
        "features.0.weight": torch.ones(96, 3, 7, 7),
        "classifier.1.weight": torch.ones(1000, 512, 1, 1),
    }
    squeezenet["classifier.1.bias"] = torch.ones(1000)
    refused(tmp_path, squeezenet, r"not the weights .*it holds classifier\.1\.bias")


def test_files_without_a_network(tmp_path: Path) -> None:
    refused(tmp_path, {"epoch": 1}, "holds no tensors")
    refused(tmp_path, [torch.ones(2)], "it holds 0")


def test_presets_of_another_size_ask_for_the_template(tmp_path: Path) -> None:
    weights = ArcFaceNetwork(18, 8, cells=42).state_dict()
    refused(tmp_path, weights, "its width is 96, not 112 as --preset .*give the --template")


def test_size_and_preprocessing_of_trained_models_stay_as_they_were() -> None:
    from tests.tiny_model import tiny_description

    assert "origin" not in json.loads(tiny_description().to_json())


def test_a_missing_file_and_a_model_of_nsface(arcface: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        import_model(tmp_path / "none.pth", tmp_path / "m", preset="adaface")
    with pytest.raises(ModelError, match="a folder"):
        import_model(tmp_path, tmp_path / "m", preset="adaface")
    torch.save(arcface.state_dict(), tmp_path / "w.pth")
    import_model(tmp_path / "w.pth", tmp_path / "m", preset="adaface")
    with pytest.raises(ModelError, match="a model file of nsface already"):
        import_model(tmp_path / "m", tmp_path / "n", preset="adaface")
