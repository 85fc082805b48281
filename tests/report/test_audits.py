"""Audits in the report: one for each system, and for each set of several."""

from __future__ import annotations

from dataclasses import replace

from nsface.report.audits import AuditBlock, Group, find_audits
from nsface.results import VerificationSets
from nsface.results.audit import Audit, Careless, ListFile
from tests.report.test_figures import verification

AUDIT = Audit(
    figures=(
        Careless(name="a", practice="best", figure="accuracy", value=0.92, honest=0.9),
        Careless(name="b", practice="grid", figure="accuracy", value=0.89, honest=0.9),
        Careless(name="c", practice="near", figure="TAR", value=0.5, honest=0.5, achieved_far=0.0123),
        Careless(name="c", practice="near", figure="DIR", value=0.5, honest=None),
    ),
    lists=(ListFile(path="pairs.txt", sha256="ab"),),
)


def test_figures_are_grouped_with_the_measured_one() -> None:
    (block,) = find_audits([("x", verification()), ("y", replace(verification(), audit=AUDIT))])
    assert block == AuditBlock(
        "y",
        [
            Group("accuracy", "90.00", [("best", "92.00", "+2.00", ""), ("grid", "89.00", "−1.00", "")]),
            Group("TAR", "50.00", [("near", "50.00", "0.00", "1.23")]),
            Group("DIR", "–", [("near", "50.00", "–", "")]),
        ],
        [(key, [value]) for key, value in AUDIT.facts()],
    )
    assert ("list", ["pairs.txt"]) in block.facts


def test_every_set_has_its_own() -> None:
    sets = (verification("lfw"), replace(verification("agedb_30"), audit=AUDIT))
    assert [block.name for block in find_audits([("x", VerificationSets(sets=sets))])] == ["x, agedb_30"]
