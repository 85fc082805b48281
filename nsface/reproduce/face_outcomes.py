"""What the table on faces has found: scores by seed, tests over seeds and over pairs, and `results.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nsface.report.comparisons import compare_seeds
from nsface.reproduce.arms import BASELINE
from nsface.reproduce.face_scores import Scored
from nsface.reproduce.face_table import FACE_ARMS, PAIRING, TABLE_5, FaceScale
from nsface.reproduce.face_tests import ENSEMBLES_BY_NAME, Row, Tested, corrected, figures_of, value_of
from nsface.reproduce.outcomes import over_seeds
from nsface.reproduce.tables import SOURCE
from nsface.results import BlufrRates
from nsface.results.all_protocols import NotRun
from nsface.results.official import HEADLINES, headline_differences


@dataclass(frozen=True)
class Training:
    """A training that has ended.

    Attributes:
        diverged: whether it has no model.
        seconds: that it took.
        accuracy: on the training images, at the end of the log; None where there is no line.
        saturation: `step` and the measures of `nsface saturation`, at most a hundred points.
    """

    arm: str
    seed: int
    folder: str
    diverged: bool
    seconds: float
    accuracy: float | None
    saturation: Sequence[Mapping[str, float]] = ()


@dataclass(frozen=True)
class FaceReproduction:
    """The table on faces, or a part of it.

    Attributes:
        scale_name, scale: what was trained.
        recipe_name, recipe: the recipe, and what it resolves to, with the head of the first arm.
        trainings: all that have ended.
        scored: all systems, networks first.
        expected: how many trainings there are to be.
        images: where LFW and the frames lie.
        lists: the files of each list that was scored, by title.
        not_run: what was not scored, with the reason.
        environment: hardware, versions, commit and data; a value is a list where the trainings differ.
        doubts: sentences on what the table does not show.
    """

    scale_name: str
    scale: FaceScale
    recipe_name: str
    recipe: Mapping[str, Any]
    trainings: Sequence[Training]
    scored: Sequence[Scored]
    expected: int
    images: Mapping[str, str]
    lists: Mapping[str, Sequence[str]]
    not_run: Sequence[NotRun]
    environment: Mapping[str, Any]
    doubts: Sequence[str]

    @property
    def systems(self) -> list[str]:
        """The arms and ensembles that have scores."""
        return list(dict.fromkeys(one.system.name for one in self.scored))

    def rows(self) -> list[Row]:
        """All figures, in the order of the lists."""
        found: dict[tuple[str, str], Row] = {}
        for one in self.scored:
            for title, result in one.results.items():
                for name, tested in figures_of(result):
                    found.setdefault((title, name), Row(title, name, tested))
        order = list(self.lists)
        return sorted(found.values(), key=lambda row: order.index(row.title))

    def by_seed(self, system: str, row: Row) -> dict[int, float]:
        """A figure of an arm or ensemble, by the seed of its (first) network."""
        found = {}
        for one in self.scored:
            if one.system.name == system and row.title in one.results:
                value = value_of(one.results[row.title], row.figure)
                if value is not None:
                    found[one.system.seed] = value
        return dict(sorted(found.items()))

    def tests(self) -> list[Tested]:
        """Each arm, and each ensemble of two arms, tested against the baseline over seeds; p by Holm, for
        arms and for ensembles."""
        found = []
        for system in self.systems:
            ensemble = ENSEMBLES_BY_NAME.get(system)
            if system == BASELINE or (ensemble is not None and not ensemble.independent):
                continue
            for row in (row for row in self.rows() if row.tested):
                both = [self.by_seed(name, row) for name in (system, BASELINE)]
                common = both[0].keys() & both[1].keys()
                if len(common) > 1:
                    pair = ({seed: one[seed] for seed in common} for one in both)
                    found.append(Tested(system, row, None, compare_seeds(row.figure, *pair)))
        return corrected(found)

    def over_pairs(self) -> list[Tested]:
        """Each system against the baseline of its seed, over pairs or probes, in the order of the lists; p by
        Holm, for networks and for ensembles."""
        found: list[Tested] = []
        for one in self.scored:
            for title, comparison in one.comparisons.items():
                differences = [each for each in comparison.differences() if each.p is not None]
                for what in headline_differences(list(dict.fromkeys(each.what for each in differences))):
                    chosen = next(each for each in differences if each.what == what)
                    found.append(Tested(one.system.name, Row(title, what, True), one.system.seed, chosen))
        order, systems = list(self.lists), self.systems
        found.sort(key=lambda test: (order.index(test.row.title), systems.index(test.system)))
        return corrected(found)

    def of_table_5(self) -> dict[str, list[dict[int, float]]]:
        """By system its figures in the columns of the published table, by seed; none where the official list
        was not scored. Identification is the mean over given trials, where there are such."""
        chosen = [self._official(name) for name in HEADLINES]
        return {
            system: [self.by_seed(system, row) if row else {} for row in chosen] for system in self.systems
        }

    def _official(self, headline: str) -> Row | None:
        """The row of a figure that papers compare, if it was measured on the official list."""
        found = []
        for title in self.lists:
            figures = [
                figure
                for one in self.scored
                if title in one.results and not isinstance(one.results[title], BlufrRates)
                for figure in one.results[title].figures()
                if figure.name == headline
            ]
            if figures and all(figure.official for figure in figures) and "View 1" not in title:
                name = "accuracy" if headline in ("LFW", "FGLFW", "YTF") else headline
                found.append(Row(title, name, True))
        return next((row for row in found if "trial" in row.title), found[0] if found else None)

    def title(self, system: str) -> str:
        """What a table calls an arm or an ensemble."""
        ensemble = ENSEMBLES_BY_NAME.get(system)
        return f"Ensemble: {ensemble.title}" if ensemble else FACE_ARMS[system].title

    def to_json(self) -> dict[str, Any]:
        """The content of `results.json`."""
        return {
            "table": "faces",
            "scale": self.scale_name,
            "about": self.scale.about,
            "trainings": len(self.trainings),
            "expected": self.expected,
            "recipe_name": self.recipe_name,
            "recipe": dict(self.recipe),
            "environment": dict(self.environment),
            "source": SOURCE,
            "doubts": list(self.doubts),
            "pairing": PAIRING,
            "images": dict(self.images),
            "lists": {title: list(files) for title, files in self.lists.items()},
            "not_run": [{"title": one.title, "reason": one.reason} for one in self.not_run],
            "arms": {arm: self._arm_json(arm) for arm in dict.fromkeys(one.arm for one in self.trainings)},
            "systems": {system: self._system_json(system) for system in self.systems},
            "tests": [test.to_json() for test in self.tests()],
            "over_pairs": [test.to_json() for test in self.over_pairs()],
            "published": [
                {"system": one.system} | dict(zip(HEADLINES, map(_share, one.figures), strict=True))
                for one in TABLE_5
            ],
        }

    def _arm_json(self, arm: str) -> dict[str, Any]:
        own = [one for one in self.trainings if one.arm == arm]
        return {
            "title": FACE_ARMS[arm].title,
            "diverged": sorted(one.seed for one in own if one.diverged),
            "folders": {str(one.seed): one.folder for one in own},
            "seconds": {str(one.seed): one.seconds for one in own},
            "training_accuracy": {str(one.seed): one.accuracy for one in own},
            "saturation": {str(one.seed): [dict(point) for point in one.saturation] for one in own},
        }

    def _system_json(self, system: str) -> dict[str, Any]:
        own = [one for one in self.scored if one.system.name == system]
        scores: dict[str, dict[str, Any]] = {}
        for row in self.rows():
            values = self.by_seed(system, row)
            if values:
                scores.setdefault(row.title, {})[row.figure] = over_seeds(values)
        return {
            "title": self.title(system),
            "folders": {str(one.system.seed): one.system.folder.name for one in own},
            "members": {str(one.system.seed): [run.path.name for run in one.system.members] for one in own},
            "seconds": {str(one.system.seed): round(one.seconds, 3) for one in own},
            "scores": scores,
        }


def _share(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100, 6)
