"""Checks of compiled networks: what they compute, that nothing waits, that runs resume to the same bits."""

from __future__ import annotations

from copy import deepcopy
from functools import partial

import torch

from nsface.benchmark.gpu.arithmetic import passed
from nsface.benchmark.gpu.frame import each
from nsface.benchmark.gpu.place import Found, Place, compared, faces, forms
from nsface.benchmark.gpu.runs import deterministic, stopped, unwaiting
from nsface.device import tf32
from nsface.networks import build
from nsface.training.compiling import compile_network

MOST = 2.0  # times the error of the uncompiled network, against float64
LEAST_ERROR = 1e-6  # which no float32 result can be expected to be below


def equal(place: Place, found: Found) -> None:
    """Compiled and uncompiled networks, each against float64 on the same device."""

    def one(name: str, precision: str) -> Found:
        torch.manual_seed(0)
        height, width = place.scale.faces
        network = build(name, height=height, width=width, embedding_size=64).train().to(place.device)
        network = network.to(memory_format=torch.channels_last)
        draws = torch.Generator().manual_seed(0)
        images = (2 * torch.rand(place.scale.batch, 3, height, width, generator=draws) - 1).to(place.device)
        images = images.contiguous(memory_format=torch.channels_last)
        classifier = torch.randn(10, 64, generator=draws).to(place.device)
        exactly = deepcopy(network).double()
        exact = passed(exactly, exactly, images.double(), classifier.double())
        exact = {part: [tensor.cpu() for tensor in tensors] for part, tensors in exact.items()}
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        plain = deepcopy(network)
        with tf32(precision == "bf16", place.device):
            made = compile_network(network, "on", images, dtype, 1)
            assert made.embed is not None
            with torch.autocast(place.device.type, dtype, precision == "bf16"):
                eager = passed(plain, plain, images, classifier)
                mine = passed(network, made.embed, images, classifier)
        limits = dict.fromkeys(exact, float("inf"))
        result: Found = {"uncompiled": compared(eager, exact, limits), "seconds": made.seconds}
        limits = {part: max(MOST * error, LEAST_ERROR) for part, error in result["uncompiled"].items()}
        return result | {"compiled": compared(mine, exact, limits)}

    jobs = {
        f"{name}, {precision}": partial(one, name, precision)
        for name in place.scale.compiled
        for precision in ("fp32", "bf16")
    }
    each(found, jobs)


def compiled_waits(place: Place, found: Found) -> None:
    """Whole training steps with a compiled network, in which the host never waits."""
    settings = forms(place)
    jobs = {form: partial(unwaiting, place, form, compile="on", **settings[form]) for form in _FORMS}
    each(found, jobs)


_FORMS = ("in device memory", "streamed")


def compiled_resumed(place: Place, found: Found) -> None:
    """A compiled run that is stopped in its midst and resumed has the bits of one that was not."""
    data = str(faces(place))
    jobs = {
        precision: partial(stopped, place, data=data, precision=precision, compile="on")
        for precision in ("fp32", "bf16")
    }
    with deterministic():
        each(found, jobs)
