"""Results as values: their JSON and back, their tables within a width, their figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.errors import DataError
from nsface.results import (
    BlufrRates,
    Comparison,
    Identification,
    IdentificationComparison,
    OtherResult,
    Result,
    TemplateComparison,
    TemplateVerification,
    Verification,
    VerificationComparison,
    VerificationSets,
    read_result,
)
from nsface.results.text import p_value
from nsface.results.values import SIGNIFICANT, rounded

GOLDEN = Path(__file__).parents[1] / "golden"
CLASSES = {
    "lfw": Verification,
    "lfw-audit": Verification,
    "lfw-errata": Verification,
    "lfw-no-threshold": Verification,
    "fglfw-named": Verification,
    "ytf-pairs": Verification,
    "pairs-no-folds": Verification,
    "ident-single": Identification,
    "ident-audit": Identification,
    "ident-trials": Identification,
    "ident-own-closed": Identification,
    "blufr": BlufrRates,
    "bin": VerificationSets,
    "ijb": TemplateVerification,
    "ijb-failures": TemplateVerification,
    "compare-lfw": VerificationComparison,
    "compare-bin": VerificationComparison,
    "compare-ident": IdentificationComparison,
    "compare-ijb": TemplateComparison,
}


def golden(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return content


def read(content: Any) -> Result:
    found = read_result(content, Path("result.json"))
    assert found is not None
    return found


@pytest.mark.parametrize("name", CLASSES)
def test_what_a_command_wrote_is_read_and_written_again(name: str) -> None:
    content = golden(name)["json"]
    result = read(content)
    assert type(result) is CLASSES[name]
    assert result.to_json() == content
    assert read(result.to_json()) == result


@pytest.mark.parametrize("name", CLASSES)
def test_the_table_of_what_was_read_is_that_of_the_command(name: str) -> None:
    recorded = golden(name)
    assert read(recorded["json"]).table(200).split("\n") == recorded["table"]


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("width", [80, 60])
def test_tables_fit_the_width_and_lose_nothing(name: str, width: int) -> None:
    result = read(golden(name)["json"])
    table = result.table(width)
    words = result.table(1000).split()
    cut = [line for line in table.split("\n") if len(line.split()) > 1]  # a digest alone may be longer
    assert all(len(line) <= width for line in cut), table
    assert set(words) <= set(table.split())


def test_a_fraction_of_a_list_is_not_official() -> None:
    lfw = read(golden("lfw")["json"])
    assert isinstance(lfw, Verification)
    assert not lfw.official
    whole = replace(lfw, pairs=6000)
    assert whole.official
    (figure,) = whole.figures()
    assert (figure.name, figure.value, figure.spread) == ("LFW", lfw.accuracy, lfw.standard_error)
    assert not replace(whole, rendered=True).official
    assert not replace(whole, protocol="fglfw-like").official
    assert replace(whole, accuracy=None, standard_error=None).figures() == []


def test_rendered_faces_are_called_so_in_the_title() -> None:
    lfw = read(golden("lfw")["json"])
    assert isinstance(lfw, Verification)
    assert lfw.title == "LFW verification"
    assert replace(lfw, rendered=True).title == "LFW verification, rendered faces"
    assert replace(lfw, rendered=True).to_json()["rendered"] is True
    assert "rendered" not in lfw.to_json()


def test_official_sizes_of_identification() -> None:
    single = {
        "protocol": "lfw-identification",
        "closed_set": {"gallery": 4249, "probes": 3143, "rank": {"1": 0.5, "5": 0.6}},
        "open_set": {
            "gallery": 596,
            "genuine": 596,
            "impostors": 9494,
            "dir": [{"far": 0.01, "dir": 0.3, "threshold": 0.4, "achieved_far": 0.01}],
        },
    }
    result = read(single)
    assert result.official
    assert [(one.name, one.value) for one in result.headlines()] == [
        ("Rank-1", 0.5),
        ("DIR at FAR 1 %", 0.3),
    ]
    single["open_set"]["gallery"] = 3143  # type: ignore[index]
    assert [one.official for one in read(single).figures()] == [True, True, False]


def test_differences_say_which_test_to_trust() -> None:
    compared = read(golden("compare-lfw")["json"])
    assert isinstance(compared, Comparison)
    tests = {one.test: one for one in compared.differences()}
    assert [name for name, one in tests.items() if one.trusted] == ["identity-aware"]
    content = golden("compare-lfw")["json"]
    assert tests["identity-aware"].p == content["identity_p_value"]
    assert tests["McNemar, mid-p"].p == content["mcnemar"]["mid_p"]
    assert tests["paired t test over folds"].interval == tuple(content["confidence_interval"])


def test_other_results_keep_their_plain_values() -> None:
    result = read({"protocol": "mine", "score": 0.5, "name": "x", "list": [1], "nothing": None})
    assert isinstance(result, OtherResult)
    assert result.values == {"score": 0.5, "name": "x", "nothing": None}
    assert result.table().split("\n")[0] == "  protocol  mine"


def test_an_accuracy_that_another_program_measured_is_a_plain_value() -> None:
    result = read({"protocol": "mine", "accuracy": 0.5, "pairs": 100})
    assert isinstance(result, OtherResult)
    assert result.values == {"accuracy": 0.5, "pairs": 100}


@pytest.mark.parametrize("content", [None, [], 5, {}, {"accuracy": 1}])
def test_what_is_no_result_is_none(content: Any) -> None:
    assert read_result(content, Path("x.json")) is None


def test_an_unsound_result_is_one_line_with_the_file_and_the_key() -> None:
    content = golden("lfw")["json"] | {"eer": 2}
    with pytest.raises(DataError, match=r"^x\.json: 'eer': .*; write it again with --json$"):
        read_result(content, Path("x.json"))


@pytest.mark.parametrize("system", [0, 3, -1])
def test_only_one_of_two_systems_can_be_right(system: int) -> None:
    content = golden("compare-lfw")["json"]
    content["disagreements"][0]["right_system"] = system
    with pytest.raises(DataError, match=r"'disagreements\.0\.right_system'"):
        read_result(content, Path("x.json"))


@given(st.floats(-1e9, 1e9))
def test_rounding_keeps_what_can_mean_something(value: float) -> None:
    assert rounded(value) == pytest.approx(value, rel=0.51 * 10.0 ** (1 - SIGNIFICANT))
    assert rounded(rounded(value)) == rounded(value)


def test_thresholds_keep_all_their_digits() -> None:
    content = golden("lfw")["json"]
    threshold = 0.1 + 0.2
    content["folds"][0]["threshold"] = threshold
    content["auc"] = 0.1 + 0.2
    written = read(content).to_json()
    assert written["folds"][0]["threshold"] == threshold
    assert written["auc"] == 0.3


def test_results_inside_a_result_are_results() -> None:
    content = {"protocol": "all", "results": [{"something": "else"}]}
    with pytest.raises(DataError, match=r"all\.json: a result in it is none; write it again with --json"):
        read_result(content, Path("all.json"))
    for wrong in ("text", {"protocol": "lfw"}, None):
        with pytest.raises(DataError, match=r"all\.json: "):
            read_result({"protocol": "all", "results": wrong}, Path("all.json"))
    with pytest.raises(DataError, match="a comparison in it is none"):
        read_result({"protocol": "all", "results": [], "comparisons": [{"protocol": "x"}]}, Path("all.json"))


@pytest.mark.parametrize("name", ["lfw", "lfw-errata", "ijb", "blufr", "ident-single", "ident-trials"])
def test_error_rates_by_iso_are_those_of_tar_and_dir(name: str) -> None:
    """In every object that has `tar_at_far` or `dir`, at the same thresholds."""

    def check(value: Any) -> int:
        if isinstance(value, list):
            return sum(map(check, value))
        if not isinstance(value, dict):
            return 0
        found = 0
        for point, error in zip(value.get("tar_at_far", []), value.get("fnmr_at_fmr", []), strict=False):
            assert error["fnmr"] == pytest.approx(1 - point["tar"])
            assert (error["fmr"], error["achieved_fmr"]) == (point["far"], point["achieved_far"])
            assert error["threshold"] == point["threshold"]
            assert error["resolved"] == (point["far"] * point["impostors"] >= 3)
            if ends := point.get("identity_interval"):
                assert error["fnmr_interval"] == pytest.approx([1 - ends[1], 1 - ends[0]])
            assert error["fmr_interval"] == point.get("far_identity_interval")
            found += 1
        for point, error in (
            zip(value["dir"], value["fnir_at_fpir"], strict=True) if "fnir_at_fpir" in value else ()
        ):
            assert error["fnir"] == pytest.approx(1 - point["dir"])
            assert (error["fpir"], error["achieved_fpir"]) == (point["far"], point["achieved_far"])
            assert error["threshold"] == point["threshold"]
            found += 1
        return found + sum(map(check, value.values()))

    assert check(golden(name)["json"]) > 0


def test_results_from_before_these_rates_are_read() -> None:
    def older(value: Any) -> Any:
        if isinstance(value, dict):
            kept = {key: inner for key, inner in value.items() if key not in ("fnmr_at_fmr", "fnir_at_fpir")}
            return {key: older(inner) for key, inner in kept.items()}
        return [older(inner) for inner in value] if isinstance(value, list) else value

    for name in CLASSES:
        content = golden(name)["json"]
        assert read(older(content)) == read(content)


@pytest.mark.parametrize(
    ("p", "text"), [(None, "–"), (0.0, "< 1e-300"), (1e-310, "< 1e-300"), (1.694e-38, "1.69e-38"), (1.0, "1")]
)
def test_no_p_value_is_printed_as_0(p: float | None, text: str) -> None:
    assert p_value(p) == text
