"""What is measured of pairs: folds, TAR at FAR, calibration, and the figures that are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nsface.checked import Count, Share
from nsface.results.error_rates import WithFnmr
from nsface.results.text import interval, percent, tar_at
from nsface.results.values import Interval, Number, exact


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One held-out fold.

    Attributes:
        accuracy: share of its pairs that are decided rightly.
        threshold: chosen on all other folds; "same" is score ≥ threshold.
        pairs: how many pairs the fold has.
    """

    accuracy: Share
    threshold: Number = exact()
    pairs: Count


@dataclass(frozen=True, kw_only=True)
class AttainedTar:
    """The largest attainable TAR (true accept rate) whose FAR (false accept rate) is not above a given one.

    Nothing is interpolated.

    Attributes:
        far: the FAR that was asked for.
        tar: share of the genuine pairs with score ≥ `threshold`.
        achieved_far: share of the impostor pairs with score ≥ `threshold`, not above `far`.
        threshold: the lowest one that attains `tar`.
        impostors: the number of impostor pairs, on which `achieved_far` rests.
    """

    far: Share
    tar: Share
    achieved_far: Share
    threshold: Number = exact()
    impostors: Count

    @property
    def name(self) -> str:
        """`TAR at FAR 0.1 %`."""
        return tar_at(self.far)


@dataclass(frozen=True, kw_only=True)
class TarAtFar(AttainedTar):
    """TAR at FAR with 95 % identity-aware intervals, which are None where names do not say who is who.

    Attributes:
        identity_interval: of TAR at the threshold.
        far_identity_interval: of FAR at the threshold.
    """

    identity_interval: Interval | None = None
    far_identity_interval: Interval | None = None


@dataclass(frozen=True)
class Bin:
    """Decisions of about the same confidence.

    Attributes:
        count: how many decisions.
        confidence: their mean probability.
        accuracy: the share of them that is right.
    """

    count: Count
    confidence: Share
    accuracy: Share


@dataclass(frozen=True)
class Calibration:
    """Whether decisions are right as often as their probability says (Guo et al. 2017).

    Attributes:
        method: how scores became probabilities.
        ece: expected calibration error, Σ (n_b / N) |accuracy_b − confidence_b| over the bins.
        bins: those that have decisions, by ascending confidence.
    """

    method: str
    ece: Share
    bins: tuple[Bin, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Measures(WithFnmr):
    """What is measured of pairs, whichever labels they have.

    Attributes:
        accuracy: mean over folds, in [0, 1]; None where nothing gives a threshold.
        standard_error: standard deviation over K folds (ddof=1) / √K; None for a list without folds.
        confidence_interval: 95 %, by the method that `interval` names.
        identity_interval: 95 %, Wilson's with the variance of pairs that share people; None where names do
            not say who is who.
        folds: each held-out fold, in the order of their numbers.
        auc: area under the ROC, all folds together: the chance that a genuine pair outscores an impostor.
        eer: equal error rate, where FAR = 1 − TAR.
        tar_at_far: one entry for each FAR that was asked for.
    """

    accuracy: Share | None
    standard_error: Share | None
    confidence_interval: Interval | None
    interval: str | None = None
    identity_interval: Interval | None = None
    folds: tuple[Fold, ...]
    auc: Share
    eer: Share
    tar_at_far: tuple[TarAtFar, ...]

    def accuracy_rows(self) -> list[tuple[str, str]]:
        """Accuracy with its intervals, AUC and EER, each with its name."""
        rows = [("accuracy", "– (no folds, no training pairs)")]
        if self.accuracy is not None:
            error = self.standard_error
            spread = f" ± {percent(error)} (standard error)" if error is not None else ""
            rows = [("accuracy", percent(self.accuracy) + spread)]
            rows.append(("interval", f"{interval(self.confidence_interval)} ({self.interval})"))
            if error is not None and self.identity_interval:
                rows.append(("", f"{interval(self.identity_interval)} (95 %, Wilson, identity-aware)"))
        return [*rows, ("AUC", percent(self.auc, 3)), ("EER", percent(self.eer))]


@dataclass(frozen=True, kw_only=True)
class Corrected(Measures):
    """The same pairs, measured with corrected labels.

    Attributes:
        labels_changed: how many labels were corrected.
    """

    first_keys: ClassVar = ("labels_changed",)
    labels_changed: Count
