"""The recipe: a typed, validated description of a training run, read from YAML.

    recipe = load_recipe("lfw-small", {"head.alpha2": 0.05, "seed": 3})

Unknown keys, wrong types and impossible values are refused, each named with file, line and key.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from nsface.arguments import own_arguments
from nsface.device import DeviceChoice, TrainingPrecision
from nsface.errors import DataError, ModelError, RecipeError, shown
from nsface.heads import HEADS
from nsface.images.batches.augmentation import Augmentation
from nsface.preprocessing import Preprocessing
from nsface.recipe.choices import LARGEST_COUNT, AuxiliaryChoice, HeadChoice, NetworkChoice, Section
from nsface.recipe.consistency import check_together
from nsface.recipe.faults import BASE, dotted_keys, problem
from nsface.recipe.finetuning import Freeze, Init, completed, take_from_former
from nsface.recipe.inheritance import read_written
from nsface.recipe.keys import KEYS_WITHOUT_EFFECT, LATER_DEFAULTS
from nsface.recipe.length import LENGTHS, fit_schedule, length
from nsface.recipe.merging import override
from nsface.recipe.sections import CompileChoice, Guard, Optimizer, Sampler, Schedule
from nsface.recipe.text import Dumper
from nsface.recipe.validation import Validation, identities_held_out, listed
from nsface.text import text_lines

# pydantic keeps a method of that name, of its first version, which nothing here calls
warnings.filterwarnings("ignore", message='Field name "validate" in "Recipe"')


class Recipe(Section):
    """A training run.

    Attributes:
        data: training faces: folder or tar with one folder an identity, store, .rec, list with labels, …
        task: "embedding" trains on the images of identities; "classification" on the training part of `data`,
            whose classes take the place of identities, and tests on its test part.
        exclude: identities (folder names) that are left out, or the path of a file that names one a line (`#`
            starts a remark): what `nsface overlap --exclude` writes. The run folder's recipe has them all.
        cache: folder for decoded pixels, which are read from there; null: in memory.
        streaming: number of processes that decode images during the training; null: all are decoded first.
        init: a model file of nsface whose weights the network begins with; `network` and `input` are the
            model's where the recipe leaves them out.
        freeze: parts of the network that are not trained, or not at first.
        auxiliary: losses added to the head's, each at most once.
        epochs, iterations: the length of the run; exactly one of the two.
        batch_size: images a step; with a sampler, the product of its two numbers.
        accumulate: the number of parts in which a batch is computed, one after the other, with the gradient
            of the whole batch: for batches that do not fit into the memory.
        ema: the model is the exponential moving average of the weights with this decay; null: the weights of
            the last step.
        precision: "fp32" is float32 throughout; "tf32" lets products be computed in TF32 on a GPU; "bf16"
            computes the convolutions in bfloat16, and lets other products be computed in TF32; "auto" is
            "bf16" where the device has instructions for it, else "fp32".
        classifier_precision: "bf16" rounds the factors of the products of features and all class weights to
            bfloat16; their sums, the target logit and the loss stay float32.
        compile: whether the network is compiled by torch.compile: "on", "off", or "auto", which compiles
            where that pays, and goes on without where it fails.
        log_every: steps between two lines of log.jsonl.
        guard: what is done about steps that are not finite.
        validate: pairs of faces by which the network is scored while it is trained; the first chooses
            best.safetensors.
        test_every: of a classification, epochs from one test to the next, rounded to whole steps; the last
            step has one as well.
        checkpoint_minutes: the state is saved when so many minutes have passed since it was, and after each
            epoch; null: after each epoch only.
        tensorboard: whether these lines are written for TensorBoard too, which needs the extra of that name.
    """

    data: str | None = None
    task: Literal["embedding", "classification"] = "embedding"
    exclude: list[str] = Field(default=[])
    cache: str | None = None
    streaming: int | None = Field(default=None, ge=1, le=1024)
    init: Init | None = None
    input: Preprocessing = Preprocessing()
    network: NetworkChoice
    freeze: Freeze | None = None
    head: HeadChoice
    auxiliary: list[AuxiliaryChoice] = Field(default=[])
    sampler: Sampler | None = None
    augmentation: Augmentation = Augmentation()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    epochs: int | None = Field(default=None, ge=1, le=LARGEST_COUNT)
    iterations: int | None = Field(default=None, ge=1, le=LARGEST_COUNT)
    batch_size: int = Field(default=256, ge=1, le=LARGEST_COUNT)
    accumulate: int = Field(default=1, ge=1, le=LARGEST_COUNT)
    ema: float | None = Field(default=None, gt=0, lt=1)
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    device: DeviceChoice = "auto"
    precision: TrainingPrecision = "auto"
    classifier_precision: Literal["fp32", "bf16"] = "fp32"
    compile: CompileChoice = "auto"
    log_every: int = Field(default=50, ge=1, le=LARGEST_COUNT)
    guard: Guard = Guard()
    validate: list[Validation] = Field(default=[])  # type: ignore[assignment]
    test_every: float = Field(default=1.0, gt=0, le=LARGEST_COUNT)
    checkpoint_minutes: float | None = Field(default=10.0, gt=0)
    tensorboard: bool = False

    @model_validator(mode="before")
    @classmethod
    def _with_model(cls, content: Any) -> Any:
        return completed(content) if isinstance(content, dict) else content

    @field_validator("network")
    @classmethod
    def _possible(cls, choice: NetworkChoice, info: ValidationInfo) -> NetworkChoice:
        size = info.data.get("input")
        if size is None:  # which is wrong, and named itself
            return choice
        try:
            choice.plan(size)
        except ModelError as error:
            raise ValueError(str(error)) from error
        return choice

    @field_validator("exclude", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            lines = text_lines(Path(value))
        except DataError as error:
            raise ValueError(str(error)) from error
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]

    @field_validator("compile", mode="before")
    @classmethod
    def _switched(cls, value: Any) -> Any:
        return ("on" if value else "off") if isinstance(value, bool) else value  # as YAML reads these words

    @field_validator("validate", mode="before")
    @classmethod
    def _validations(cls, value: Any) -> Any:
        return listed(value)

    @property
    def held_out(self) -> int:
        """How many identities are held out of the training."""
        return identities_held_out(self.validate)

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if self.sampler is not None:
            product = self.sampler.identities * self.sampler.images
            if "batch_size" in self.model_fields_set and self.batch_size != product:
                raise ValueError(
                    f"batch_size ({self.batch_size}) must be sampler.identities × sampler.images "
                    f"({product}): leave it out"
                )
            self.__dict__["batch_size"] = product  # the model is frozen for everyone else
        check_together(self)
        return self

    def to_yaml(self) -> str:
        """The recipe as YAML, complete: every default is written out."""
        return yaml.dump(self.model_dump(), Dumper=Dumper, sort_keys=False, allow_unicode=True)

    def decisive(self) -> dict[str, Any]:
        """All that decides the weights but the images: not their path, nor that of the initial model.

        Keys that recipes of nsface 0.3 did not have are left out where they have no effect, so that the
        digests of those recipes stay.
        """
        values = self.model_dump()
        for key in KEYS_WITHOUT_EFFECT | LATER_DEFAULTS.keys():
            *parents, last = key.split(".")
            section = values
            for parent in parents:
                section = section[parent]
            if key in KEYS_WITHOUT_EFFECT or section[last] == LATER_DEFAULTS[key]:
                del section[last]
        if not values["guard"]:
            del values["guard"]
        if self.init is not None:
            values["init"] = self.init.digest
        values.pop("validate", None)  # which says when weights are looked at
        if self.held_out:
            values["validate"] = {"held_out": self.held_out}
        return values

    def digest(self) -> str:
        """SHA-256 of `decisive`, in hexadecimal."""
        return hashlib.sha256(json.dumps(self.decisive()).encode()).hexdigest()


def recipe_keys(head: str | None = None) -> list[str]:
    """All dotted keys of a recipe; with the name of a `head`, the arguments that it takes too."""
    arguments = own_arguments(HEADS[head]) if head in HEADS else []
    return dotted_keys(Recipe) + [f"head.{name}" for name in arguments]


def load_recipe(
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    note: Callable[[str], object] | None = None,
    former: str | Path | None = None,
) -> Recipe:
    """Read a recipe from YAML, with the recipes that it is based on.

    Args:
        path: of a file, or the name of a recipe that comes with nsface.
        overrides: values by dotted key (`head.alpha2`), put in place of the file's. Another `head.name` or
            `network.name` drops the arguments given in the file, which belong to the name that stood there
            (see `nsface.recipe.merging.put`); `epochs` takes the place of `iterations`, and the reverse; a
            sampler that of `batch_size`; and another `schedule.kind` that of the times and factors of the
            kind that stood there. Times of the schedule that such a length leaves no room are scaled with it.
        note: called with a line about what was scaled.
        former: the recipe in the folder of the run to resume, if there is one: it says what is needed of a
            model file that `init` names and that is no longer there.

    Raises:
        RecipeError: cannot be read, or wrong; every wrong place is named with its line and key.
    """
    written, given = read_written(path), dict(overrides or {})
    content = written.content
    scaled = _put_all(content, given)
    if former is not None and Path(former).is_file():
        take_from_former(content, load_recipe(former).model_dump())
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        where, places = written.where, written.places
        problems = [problem(details, Recipe, where, places, given) for details in error.errors()]
        raise RecipeError(shown("; ".join(problems))) from error
    if note is not None:
        for line in [*written.notes, *([scaled] if scaled else [])]:
            note(f"note: {line}")
    return recipe


def _put_all(content: dict[str, Any], given: dict[str, Any]) -> str | None:
    """Put what is `given` into the content of a recipe; returns a line on what of its schedule was scaled."""
    if all(given.get(unit) is not None for unit in LENGTHS):
        raise RecipeError("given on the command line: give either epochs or iterations, not both")
    if BASE in given:
        raise RecipeError("given on the command line: base: a file names its base; give another RECIPE")
    own = length(content)
    override(content, given)
    return fit_schedule(content, own, given)
