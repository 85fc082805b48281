"""Evaluation from Python: embeddings and official lists in, results out.

    from nsface import evaluate

    result = evaluate.lfw("lfw.npz", "pairs.txt")
    print(result.accuracy, result.standard_error)
    print(result.table())

Each function is a protocol, with the options of the command `eval-NAME` as keyword arguments. What makes a
result doubtful, such as people who are in several folds, is a warning of the category `DoubtfulResult`.

`embeddings` are one of

* an `Embeddings` object, such as `nsface.extract` gives,
* the path of an embeddings file, `.npz` or `.npy`,
* a pair `(names, vectors)` from any model: N names such as `Aaron_Eckhart/Aaron_Eckhart_0001.jpg`, and an
  array (N, D) of any floating type, not necessarily normalised.

All functions raise `DataError` where a list or an embeddings file is missing or malformed, or where images of
the list have no embedding, and `OptionsError` for options that do not go together.
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import numpy.typing as npt

from nsface.embeddings.file import Embeddings, load
from nsface.embeddings.overlap_record import overlap_notes
from nsface.embeddings.pair import from_pair
from nsface.errors import DoubtfulResult, NsfaceError
from nsface.protocols import PROTOCOLS, functions, load_protocol
from nsface.protocols.all_protocols import score
from nsface.protocols.bin_file import Bin
from nsface.protocols.blufr import Blufr
from nsface.protocols.calibrate import Calibrate
from nsface.protocols.fglfw import Fglfw
from nsface.protocols.ident import Ident
from nsface.protocols.ijb import Ijb
from nsface.protocols.lfw import Lfw
from nsface.protocols.pairs import Pairs
from nsface.protocols.planning import plan, system_of
from nsface.protocols.protocol import Measurement, Protocol
from nsface.protocols.ytf import Ytf
from nsface.results import (
    AllProtocols,
    BlufrRates,
    Comparison,
    Identification,
    IdentificationComparison,
    Result,
    TemplateComparison,
    TemplateVerification,
    Threshold,
    Verification,
    VerificationComparison,
)
from nsface.results.comparison import system_names

__all__ = ["all", "bin", "blufr", "calibrate", "compare", "fglfw", "ident", "ijb", "lfw", "pairs", "ytf"]

AnyEmbeddings = Embeddings | str | os.PathLike[str] | tuple[Sequence[str], npt.ArrayLike]
M = TypeVar("M", bound=Measurement)


def _opened(embeddings: AnyEmbeddings, name: str = "the embeddings") -> Embeddings:
    """Embeddings from whatever stands for them; `name` is what messages call a pair of names and vectors."""
    if isinstance(embeddings, Embeddings):
        found = embeddings
    else:
        found = load(embeddings) if isinstance(embeddings, str | os.PathLike) else from_pair(embeddings, name)
    _warn([*found.notes(), *overlap_notes(found)])
    return found


def _warn(notes: Sequence[str]) -> None:
    """Warn of what makes a result doubtful, as if the line that called a function of this module did."""
    level = 1
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") in (__name__, functions.__name__):
        frame, level = frame.f_back, level + 1
    for sentence in notes:
        warnings.warn(sentence, DoubtfulResult, stacklevel=level)


def _measured(protocol: Protocol[Any, M], embeddings: AnyEmbeddings) -> M:
    """Read the lists and score the embeddings on them."""
    lists = protocol.read()
    _warn(protocol.notes(lists))
    measured = protocol.measure(_opened(embeddings), lists)
    _warn(measured.notes)
    return measured


@functions.with_options_of(Lfw)
def lfw(embeddings: AnyEmbeddings, protocol: Lfw) -> Verification:
    """LFW verification: accuracy over ten folds with its intervals, AUC, EER and TAR at FAR.

    Each fold is decided at the threshold that is best on the other nine. A View 1 list without folds needs
    `train_pairs`, or has no accuracy. Source: Huang et al. 2007, http://vis-www.cs.umass.edu/lfw/.

    Example:
        >>> result = lfw("lfw.npz", "pairs.txt")  # doctest: +SKIP
        >>> result.accuracy, result.identity_interval  # doctest: +SKIP
    """
    return _measured(protocol, embeddings).result()


@functions.with_options_of(Fglfw)
def fglfw(embeddings: AnyEmbeddings, protocol: Fglfw) -> Verification:
    """FGLFW, also called SLLFW: LFW's matched pairs, and mismatched pairs of people who look alike.

    Source: Deng et al. 2017, https://doi.org/10.1016/j.patcog.2016.11.023.

    Example:
        >>> fglfw("lfw.npz", "pair_FGLFW.txt").accuracy  # doctest: +SKIP
    """
    return _measured(protocol, embeddings).result()


@functions.with_options_of(Ytf)
def ytf(embeddings: AnyEmbeddings, protocol: Ytf) -> Verification:
    """YouTube Faces: pairs of videos, each a template pooled from the embeddings of its frames.

    Names of frames end in `Person/number/frame.jpg`; names of templates are `Person/number`.
    Source: Wolf, Hassner and Maoz 2011, https://www.cs.tau.ac.il/~wolf/ytfaces/.

    Example:
        >>> ytf("frames.npz", "splits.txt").accuracy  # doctest: +SKIP
    """
    return _measured(protocol, embeddings).result()


@functions.with_options_of(Ident)
def ident(embeddings: AnyEmbeddings, protocol: Ident) -> Identification:
    """Identification: Rank-k in the closed set, and the identification rate (DIR) at FAR in the open set.

    Give `people` and `subjects` (LFW's protocol), or `lists` (a folder for each trial), or `gallery` and
    `probes`, and `impostors` for an open set. Source: Best-Rowden et al. 2014,
    https://doi.org/10.1109/TIFS.2014.2359577.

    Example:
        >>> result = ident("faces.npz", gallery="staff.txt", probes="visits.txt")  # doctest: +SKIP
        >>> result.closed_set.rank["1"]  # doctest: +SKIP
    """
    return _measured(protocol, embeddings).result()


@functions.with_options_of(Blufr)
def blufr(embeddings: AnyEmbeddings, protocol: Blufr) -> BlufrRates:
    """BLUFR: verification over all pairs of LFW, and open-set identification, in ten trials.

    Source: Liao et al. 2014, https://doi.org/10.1109/BTAS.2014.6996301.

    Example:
        >>> blufr("lfw.npz", "BLUFR/list/lfw").tar_at_far[0].mean_minus_std  # doctest: +SKIP
    """
    return _measured(protocol, embeddings).result()


@functions.with_options_of(Ijb)
def ijb(embeddings: AnyEmbeddings, protocol: Ijb) -> TemplateVerification:
    """IJB-B and IJB-C, template against template (1:1): TAR at FAR from 1e-6 to 0.1, AUC and EER.

    Source: Maze et al. 2018, https://doi.org/10.1109/ICB2018.2018.00033.

    Example:
        >>> ijb("ijbc.npz", "ijbc_face_tid_mid.txt", "ijbc_template_pair_label.txt").auc  # doctest: +SKIP
    """
    return _measured(protocol, embeddings).result()


@functions.with_options_of(Pairs)
def pairs(embeddings: AnyEmbeddings, protocol: Pairs) -> Verification:
    """Anybody's list of pairs, and CPLFW and CALFW: as `lfw`, with the folds of the list, or folds made here.

    Example:
        >>> pairs("faces.npz", "my-pairs.txt").eer  # doctest: +SKIP
    """
    return _measured(protocol, embeddings).result()


@functions.with_options_of(Bin)
def bin(embeddings: AnyEmbeddings, protocol: Bin) -> Verification:
    """A `.bin` verification set of InsightFace, such as `agedb_30.bin`.

    Its images are called `000000`, `000001`, … as by `extract(model, open_source("agedb_30.bin"))`.

    Example:
        >>> bin("agedb_30.npz", "agedb_30.bin").accuracy  # doctest: +SKIP
    """
    return _measured(protocol, embeddings).result()


def all(
    embeddings: AnyEmbeddings, lists: str | os.PathLike[str], *, against: AnyEmbeddings | None = None
) -> AllProtocols:
    """Every protocol whose lists are in the folder `lists`, or below it, and whose images have embeddings.

    Lists are known by their content. A list of which an image is missing is not scored; `not_run` says why.

    Args:
        embeddings: an `Embeddings`, the path of an embeddings file, or `(names, vectors)`.
        lists: the folder.
        against: other embeddings, for `differences` with p values that Holm's method corrects.

    Raises:
        DataError: there is no such folder, no list in it, or embeddings that cannot be read.
        NsfaceError: nothing could be scored.

    Example:
        >>> found = all("lfw.npz", "benchmarks")  # doctest: +SKIP
        >>> [(one.title, one.value) for one in found.scores]  # doctest: +SKIP
    """
    first, second = _opened(embeddings), None
    names = (first.source, "")
    if against is not None:
        other = _opened(against, "the others")
        names = system_names(first.source, other.source)
        second = system_of(other, names[1])
    system = system_of(first, names[0])
    made = plan(lists, system)
    _warn(made.notes)
    return score(made, system, second, note=_warn)


@functions.with_options_of(Calibrate)
def calibrate(embeddings: AnyEmbeddings, protocol: Calibrate) -> Threshold:
    """The threshold for a wanted FMR or FPIR, with the upper confidence bound of that rate on other people.

    Example:
        >>> made = calibrate("lfw.npz", pairs="pairs.txt", fmr=1e-2)  # doctest: +SKIP
        >>> made.threshold, made.upper_bound  # doctest: +SKIP
        >>> Path("threshold.json").write_text(json.dumps(made.to_json()))  # doctest: +SKIP
    """
    return _measured(protocol, embeddings).result()


@overload
def compare(
    first: AnyEmbeddings,
    second: AnyEmbeddings,
    protocol: Literal["lfw", "fglfw", "ytf", "pairs", "bin"],
    **options: Any,
) -> VerificationComparison: ...
@overload
def compare(
    first: AnyEmbeddings, second: AnyEmbeddings, protocol: Literal["ident"], **options: Any
) -> IdentificationComparison: ...
@overload
def compare(
    first: AnyEmbeddings, second: AnyEmbeddings, protocol: Literal["ijb"], **options: Any
) -> TemplateComparison: ...
@overload
def compare(first: AnyEmbeddings, second: AnyEmbeddings, protocol: str, **options: Any) -> Comparison: ...
def compare(first: AnyEmbeddings, second: AnyEmbeddings, protocol: str, **options: Any) -> Comparison:
    """Two systems on the same trials: each difference with its interval and its paired tests.

    Args:
        first, second: the embeddings of each system, as for the other functions.
        protocol: `lfw`, `fglfw`, `ytf`, `pairs`, `bin`, `ident` or `ijb`.
        options: the arguments of the function of that name, by name.

    Raises:
        NsfaceError: there is no such protocol, or no comparison for it.
        OptionsError: the protocol has no such option, or one is missing.
        DataError: the lists cannot be read, or what was measured cannot be compared.

    Example:
        >>> found = compare("noisy.npz", "softmax.npz", "lfw", pairs="pairs.txt")  # doctest: +SKIP
        >>> found.difference, found.identity_p_value  # doctest: +SKIP
    """
    chosen = functions.protocol_called(protocol, options)
    if not chosen.comparable:
        raise NsfaceError(f"there is no comparison for {protocol}")
    lists = chosen.read()
    systems = [_opened(first, "first"), _opened(second, "second")]
    measured = [chosen.measure(system, lists) for system in systems]
    _warn([*chosen.notes(lists), *dict.fromkeys(note for one in measured for note in one.notes)])
    return chosen.compare(*measured).named(*system_names(*(system.source for system in systems)))


if not TYPE_CHECKING:  # else editors would take every name for a protocol

    def __getattr__(name: str) -> Callable[..., Result]:
        """A function for a protocol in the table that has none here."""
        if name not in PROTOCOLS:
            raise AttributeError(f"module 'nsface.evaluate' has no attribute '{name}'")

        def evaluation(embeddings: AnyEmbeddings, protocol: Protocol[Any, Any]) -> Result:
            return _measured(protocol, embeddings).result()

        evaluation.__name__, evaluation.__doc__ = name, PROTOCOLS[name].summary
        return functions.with_options_of(load_protocol(name))(evaluation)
