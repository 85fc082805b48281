"""Rows for the result of `compare`: a difference a row, with its interval, p and the test behind them."""

from __future__ import annotations

from typing import Any


def differences(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What one `compare` found: accuracy, Rank-1 and DIR, or TAR, each by each test."""
    rows = []
    if result.get("mcnemar"):
        rows += [_row(result, f"accuracy, {result['test']}"), *_by_people_and_trials(result, "accuracy")]
    if rank := result.get("rank_1"):
        rows += _by_people_and_trials(rank, "Rank-1")
    for point in result.get("dir", []):
        rows.append(_row(point, f"DIR at FAR {100 * point['far']:g} %, {point['test']}"))
    for point in result.get("tar_at_far", []):
        rows += _by_people_and_trials(point, f"TAR at FAR {100 * point['far']:g} %")
    return rows


def _row(result: dict[str, Any], test: str) -> dict[str, Any]:
    interval = result["confidence_interval"]
    return {"difference": result["difference"], "interval": interval, "p": result["p_value"], "test": test}


def _by_people_and_trials(result: dict[str, Any], what: str) -> list[dict[str, Any]]:
    """The identity-aware test, without numbers in results of nsface 0.3, and McNemar's."""
    interval, p = result.get("identity_interval"), result.get("identity_p_value")
    rows = [
        {"interval": interval, "p": p, "test": f"{what}, identity-aware"},
        {"interval": None, "p": result["mcnemar"]["mid_p"], "test": f"{what}, McNemar, mid-p"},
    ]
    return [{"difference": result["difference"], **row} for row in rows]
