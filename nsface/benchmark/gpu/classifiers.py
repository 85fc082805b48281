"""Checks of the classifier alone, from ten thousand to millions of identities: time and memory."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial

import torch

from nsface.benchmark.apart import one_line
from nsface.benchmark.classifier import Classifier, Form, Precision, measure_classifier
from nsface.benchmark.gpu.arithmetic import GIB, MOST_EXTRA
from nsface.benchmark.gpu.frame import each
from nsface.benchmark.gpu.place import Found, Place
from nsface.benchmark.gpu.speed import release

FORMS: tuple[Form, ...] = ("blocked", "sampled", "plain")
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
LIMITED = 1_000_000  # identities, at which memory must stay within MOST_EXTRA


def million(place: Place, found: Found) -> None:
    """Softmax and ArcFace in blocks at the largest size but one, whose memory has a limit."""
    identities = place.scale.speed.classifiers[-2]
    _each(place, found, [Classifier(head, identities, "blocked") for head in ("softmax", "arcface")])


def sizes(place: Place, found: Found) -> None:
    """ArcFace in every form, size and precision; some do not fit into the memory, which is no error."""
    whats = [
        Classifier("arcface", identities, form, precision)
        for identities in place.scale.speed.classifiers
        for precision in PRECISIONS
        for form in FORMS
    ]
    _each(place, found, whats)


def _each(place: Place, found: Found, whats: list[Classifier]) -> None:
    """Measure each, with the sizes of this place."""
    _, size, batch = place.scale.classes
    jobs = {}
    for what in whats:
        name = f"{what.head}, {what.identities:,}, {what.form}, {what.precision}"
        jobs[name] = partial(_one, place, replace(what, size=size, batch=batch))
    each(found, jobs)


def _one(place: Place, what: Classifier) -> Found:
    release(place)
    try:
        cost = measure_classifier(what, place.device)
    except torch.OutOfMemoryError as error:
        return asdict(what) | {"does_not_fit": one_line(error)}
    found = asdict(what) | cost.to_json()
    limited = what.form == "blocked" and what.identities == LIMITED
    if limited and cost.extra is not None and cost.extra > MOST_EXTRA:
        found["error"] = f"{cost.extra / GIB:.2f} GiB beyond weights, gradient and momentum"
    return found
