"""ONNX files as models, against the same products by NumPy."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import nsface
from nsface.errors import ModelError, NsfaceError
from nsface.onnx.export import to_onnx
from nsface.onnx.file import is_onnx
from nsface.onnx.quantise import quantised
from tests.onnx.made import GIVEN, SIDE, SIZE, expected, images, recogniser
from tests.tiny_model import write_tiny_model

FLAT = 3 * SIDE * SIDE


def embed(path: Path, number: int = 5, **options: Any) -> np.ndarray[Any, Any]:
    model = nsface.load_model(path, **{"device": "cpu", "preprocessing": GIVEN, **options})
    return model.embed(images(number), flip="none", batch_size=3)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"batch": 1, "reshape": (1, FLAT)},
        {"batch": 1, "reshape": (1, -1)},
        {"batch": 2, "reshape": (2, FLAT)},
        {"batch": "N", "reshape": (1, FLAT)},
        {"nhwc": True},
        {"batch": 1, "reshape": (1, FLAT), "nhwc": True},
        {"weights_as_inputs": True},
        {"more_outputs": ["norm"]},
        {"kind": TensorProto.FLOAT16},
    ],
)
def test_every_form_of_a_graph_gives_the_same_embeddings(tmp_path: Path, form: dict[str, Any]) -> None:
    path = recogniser(tmp_path / "m.onnx", **form)
    tolerance = 0.05 if "kind" in form else 1e-4
    assert np.allclose(embed(path), expected(images(5)), atol=tolerance)


def test_a_fixed_batch_is_made_free_where_the_graph_allows_it(tmp_path: Path) -> None:
    path = recogniser(tmp_path / "m.onnx", batch=1, reshape=(1, FLAT))
    network: Any = nsface.load_model(path, preprocessing=GIVEN, device="cpu").network
    assert network.probed.image.batch is None


def test_embeddings_that_depend_on_the_batch_are_computed_one_by_one(tmp_path: Path) -> None:
    """As with the ranges of dynamic quantisation: here every image is divided by the largest value of all."""
    path = recogniser(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.node[0].input[0] = "divided"
    model.graph.node.insert(0, helper.make_node("ReduceMax", ["data"], ["largest"], keepdims=0))
    model.graph.node.insert(1, helper.make_node("Div", ["data", "largest"], ["divided"]))
    onnx.save(model, path)
    loaded = nsface.load_model(path, preprocessing=GIVEN, device="cpu")
    many = loaded.embed(images(5), flip="none", batch_size=5)
    alone = [loaded.embed(one, flip="none")[0] for one in images(5)]
    assert np.array_equal(many, np.stack(alone))
    largest = (images(5).max(axis=(1, 2, 3)) - 127.5) / 128
    assert np.allclose(many, expected(images(5)) / largest[:, None], atol=1e-4)


def test_bgr_and_the_mirrored_copy(tmp_path: Path) -> None:
    path = recogniser(tmp_path / "m.onnx")
    model = nsface.load_model(path, preprocessing=GIVEN | {"colour": "BGR"}, device="cpu")
    faces = images(3)
    both = expected(faces, bgr=True) + expected(faces[:, :, ::-1], bgr=True)
    assert np.allclose(model.embed(faces), both, atol=1e-4)


def test_whole_pixels_as_input(tmp_path: Path) -> None:
    path = recogniser(tmp_path / "m.onnx", kind=TensorProto.UINT8)
    pixels = GIVEN | {"mean": 0.0, "std": 1.0}
    plain = expected(images(5)) * 128 + expected(np.full((1, SIDE, SIDE, 3), 255, np.uint8)) * 128
    assert np.allclose(embed(path, preprocessing=pixels), plain, rtol=1e-3, atol=0.5)
    with pytest.raises(ModelError, match="give --mean 0 --std 1"):
        embed(path)


def test_several_outputs_are_named_and_one_is_chosen_by_name(tmp_path: Path) -> None:
    path = recogniser(tmp_path / "m.onnx", more_outputs=["norm", "negative"])
    with pytest.raises(ModelError, match=r"embedding \(4\), negative \(4\); name it with --onnx-output"):
        embed(path)
    assert np.allclose(embed(path, onnx_output="negative"), -expected(images(5)), atol=1e-4)
    with pytest.raises(
        ModelError, match="no output is called 'feature'; there are: embedding, norm, negative"
    ):
        embed(path, onnx_output="feature")
    with pytest.raises(ModelError, match="no output is one embedding"):
        embed(path, onnx_output="norm")


def test_metadata_say_the_preprocessing_and_contradictions_are_refused(tmp_path: Path) -> None:
    content = {"input": {**GIVEN, "height": SIDE, "width": SIDE}}
    path = recogniser(tmp_path / "m.onnx", sizes=("h", "w"), metadata={"nsface": json.dumps(content)})
    assert np.allclose(embed(path, preprocessing={}), expected(images(5)), atol=1e-4)
    with pytest.raises(NsfaceError, match=r"its std is 128\.0, not 127\.5; leave out --std"):
        embed(path, preprocessing={"std": 127.5})
    for damaged in ("{", "[]", '{"input": 3}', '{"input": {"height": "tall"}}'):
        recogniser(path, metadata={"nsface": damaged})
        with pytest.raises(NsfaceError, match=r"m\.onnx|--"):
            embed(path)


def test_what_is_unknown_is_not_guessed(tmp_path: Path) -> None:
    path = recogniser(tmp_path / "m.onnx")
    with pytest.raises(NsfaceError, match=r"does not say the colour, mean, std, template .* --preset"):
        nsface.load_model(path)
    free = recogniser(tmp_path / "free.onnx", sizes=("h", "w"))
    with pytest.raises(NsfaceError, match="does not say the height, width"):
        nsface.load_model(free, preprocessing=GIVEN)
    with pytest.raises(NsfaceError, match="its height is 8, not 112"):
        nsface.load_model(path, preprocessing={"height": 112})


def test_meta_says_how_the_embeddings_were_made(tmp_path: Path) -> None:
    model = nsface.load_model(recogniser(tmp_path / "m.onnx"), preprocessing=GIVEN, device="cpu")
    meta = model.meta("sum")
    assert (meta["precision"], meta["provider"]) == ("float32", "CPUExecutionProvider")
    assert meta["preprocessing"]["height"] == SIDE
    assert meta["model_digest"] == model.digest
    assert model.description is None
    assert model.embedding_size == SIZE


def test_precision_is_that_of_the_file(tmp_path: Path) -> None:
    path = recogniser(tmp_path / "m.onnx")
    assert embed(path, precision="fp32").shape == (5, SIZE)
    with pytest.raises(NsfaceError, match="it calculates in float32, which --precision does not change"):
        embed(path, precision="bf16")


def test_options_for_onnx_files_do_not_change_model_files(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "m.safetensors")
    with pytest.raises(NsfaceError, match="its colour is RGB, not BGR; leave out --colour"):
        nsface.load_model(path, preprocessing={"colour": "BGR"})
    with pytest.raises(NsfaceError, match="leave out --onnx-output"):
        nsface.load_model(path, onnx_output="embedding")
    assert nsface.load_model(path, preprocessing={"colour": "RGB"}).input.colour == "RGB"


def test_content_tells_the_kind_of_file(tmp_path: Path) -> None:
    assert is_onnx(recogniser(tmp_path / "network.bin"))
    assert not is_onnx(write_tiny_model(tmp_path / "m.safetensors"))
    assert not is_onnx(tmp_path / "missing.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match="no ONNX model"):
        nsface.load_model(tmp_path / "text.onnx")


def _outside(path: Path, location: str, length: int) -> None:
    """Move the weights of a recogniser into another file."""
    model = onnx.load(path)
    weights = model.graph.initializer[0]
    data = weights.raw_data
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        weights.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    (path.parent / os.path.basename(location)).write_bytes(data)


def test_weights_beside_the_file_are_read_and_only_there(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    path, size = folder / "m.onnx", 4 * SIZE * FLAT
    recogniser(path)
    _outside(path, "m.onnx.data", size)
    assert np.allclose(embed(path), expected(images(5)), atol=1e-4)
    for location in ("../secret", str(tmp_path / "secret")):
        recogniser(path)
        _outside(path, location, size)
        (tmp_path / "secret").write_bytes(bytes(size))
        with pytest.raises(ModelError, match="lie outside of the folder"):
            embed(path)
    recogniser(path)
    _outside(path, "m.onnx.data", size + 1)
    with pytest.raises(ModelError, match="the file ends before them"):
        embed(path)


def test_hostile_graphs_are_refused(tmp_path: Path) -> None:
    """An allocation of petabytes, an operator of nobody, a loop, and an input that is no image."""
    huge = [
        helper.make_node("Constant", [], ["length"], value=numpy_helper.from_array(np.array([1 << 50]))),
        helper.make_node("ConstantOfShape", ["length"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["nothing"], keepdims=0),
    ]
    path = tmp_path / "m.onnx"
    model = onnx.load(recogniser(path, more_nodes=huge))
    model.graph.node[-3].input.append("nothing")
    onnx.save(model, path)
    with pytest.raises(ModelError, match="cannot run it"):
        embed(path)
    recogniser(path, more_nodes=[helper.make_node("Steal", ["data"], ["x"], domain="elsewhere")])
    with pytest.raises(ModelError, match="cannot run it"):
        embed(path)
    body = helper.make_graph([helper.make_node("Identity", ["c"], ["d"])], "body", [], [])
    recogniser(path, more_nodes=[helper.make_node("Loop", ["", "", "data"], ["x"], body=body)])
    with pytest.raises(ModelError, match=r"has loops \(Loop\)"):
        embed(path)
    model = onnx.load(recogniser(path))
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
    onnx.save(model, path)
    with pytest.raises(ModelError, match="a recogniser takes N×3×H×W or N×H×W×3"):
        embed(path)


@pytest.mark.parametrize("operation", ["Loop", "Scan", "SequenceMap"])
def test_loops_in_branches_of_functions_are_found(tmp_path: Path, operation: str) -> None:
    path = recogniser(tmp_path / "m.onnx")
    model = onnx.load(path)
    body = helper.make_graph([helper.make_node("Identity", ["v"], ["w"])], "body", [], [])
    loop = helper.make_node(operation, ["n"], ["o"], body=body)
    branch = helper.make_graph([loop], "branch", [], [])
    test = helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)
    version = helper.make_opsetid("", 18)
    model.functions.append(helper.make_function("own", "F", ["c", "n"], ["z"], [test], [version]))
    onnx.save(model, path)
    with pytest.raises(ModelError, match=rf"its graph has loops \({operation}\), which are not run"):
        nsface.load_model(path, preprocessing=GIVEN, device="cpu")


def _with_weights_beside(path: Path) -> Path:
    onnx.save(
        onnx.load(recogniser(path)), path, save_as_external_data=True, location="w.bin", size_threshold=0
    )
    return path.with_name("w.bin")


def test_the_digest_is_of_the_weights_beside_the_file_too(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    beside = _with_weights_beside(path)
    first = nsface.load_model(path, preprocessing=GIVEN, device="cpu")
    assert first.digest == hashlib.sha256(path.read_bytes() + beside.read_bytes()).hexdigest()
    data = bytearray(beside.read_bytes())
    data[0] ^= 1
    beside.write_bytes(data)
    assert nsface.load_model(path, preprocessing=GIVEN, device="cpu").digest != first.digest


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    beside = _with_weights_beside(path)
    beside.unlink()
    os.mkfifo(beside)
    with pytest.raises(ModelError, match=r"w\.bin cannot be read: not a file"):
        nsface.load_model(path, preprocessing=GIVEN, device="cpu")
    with pytest.raises(ModelError, match="a pipe or a device"):
        nsface.load_model(beside, preprocessing=GIVEN, device="cpu")


def test_what_metadata_do_not_say_is_not_taken_from_defaults(tmp_path: Path) -> None:
    path = recogniser(tmp_path / "m.onnx", metadata={"nsface": json.dumps({"input": {"mean": 127.5}})})
    with pytest.raises(NsfaceError, match="does not say the colour, std, template"):
        nsface.load_model(path, device="cpu")


@pytest.mark.parametrize("form", [{}, {"batch": 2, "reshape": (2, FLAT)}, {"more_outputs": ["norm"]}])
def test_a_batch_in_which_no_image_can_be_used(tmp_path: Path, form: dict[str, Any]) -> None:
    path = recogniser(tmp_path / "m.onnx", **form)
    model = nsface.load_model(path, preprocessing=GIVEN, device="cpu")
    nothing = torch.empty((0, 3, SIDE, SIDE), dtype=torch.uint8)
    assert model.start_batch(nothing, "sum").shape == (0, SIZE)
    assert model.start_batch(nothing, "concat").shape == (0, 2 * SIZE)
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), np.zeros((50, 40, 3), np.uint8))
    with pytest.raises(NsfaceError, match="40"):
        nsface.extract(path, nsface.open_source(folder), preprocessing=GIVEN, device="cpu")


def test_quantisation_says_nothing_of_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    loaded = nsface.load_model(write_tiny_model(tmp_path / "m.safetensors"), device="cpu")
    assert loaded.description is not None
    made = to_onnx(loaded.network, loaded.description, "")
    capfd.readouterr()
    quantised(made, iter([np.random.default_rng(0).random((2, 3, 112, 96), dtype=np.float32)]))
    assert capfd.readouterr() == ("", "")
