"""Checks of the classifier alone, from ten thousand to millions of identities: time and memory."""

from __future__ import annotations

from functools import partial

import torch

from nsface.benchmark.apart import one_line
from nsface.benchmark.classifier import Form, measure_classifier
from nsface.benchmark.gpu.arithmetic import GIB, MOST_EXTRA
from nsface.benchmark.gpu.frame import each
from nsface.benchmark.gpu.place import Found, Place
from nsface.benchmark.gpu.speed import release

FORMS: tuple[Form, ...] = ("blocked", "sampled", "plain")
LIMITED = 1_000_000  # identities, at which memory must stay within MOST_EXTRA


def million(place: Place, found: Found) -> None:
    """Softmax and ArcFace in blocks at the largest size but one, whose memory has a limit."""
    identities = place.scale.speed.classifiers[-2]
    jobs = {name: partial(_one, place, name, identities, "blocked") for name in ("softmax", "arcface")}
    each(found, jobs)


def sizes(place: Place, found: Found) -> None:
    """ArcFace in every form and size; some do not fit into the memory, which is no error."""
    jobs = {}
    for identities in place.scale.speed.classifiers:
        for form in FORMS:
            jobs[f"{identities:,}, {form}"] = partial(_one, place, "arcface", identities, form)
    each(found, jobs)


def _one(place: Place, name: str, identities: int, form: Form) -> Found:
    release(place)
    _, size, batch = place.scale.classes
    what = {"head": name, "identities": identities, "form": form, "size": size, "batch": batch}
    try:
        cost = measure_classifier(name, identities, size, batch, form, place.device)
    except torch.OutOfMemoryError as error:
        return what | {"does_not_fit": one_line(error)}
    found = what | cost.to_json()
    if form == "blocked" and identities == LIMITED and cost.extra is not None and cost.extra > MOST_EXTRA:
        found["error"] = f"{cost.extra / GIB:.2f} GiB beyond weights, gradient and momentum"
    return found
