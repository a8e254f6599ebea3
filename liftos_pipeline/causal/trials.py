"""What methods answer on placebo panels, where the truth is known: run side by side, told as arrays. Judges nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.replays import Replays, with_effect
from liftos_pipeline.causal.estimators import ESTIMATORS
from liftos_pipeline.causal.kernels.threads import blas
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.specification import checked_options
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Progress = Callable[[int, int], None]
Prepare = Callable[[Panel], Panel]

_CHUNKS_PER_WORKER = 8


@dataclass(frozen=True, eq=False)
class Trials:
    """Answers of one method to n replays with one injected effect.

    Attributes
    ----------
    truth : float
        The injected effect, in the method's unit.
    estimate, ci_low, ci_high : ndarray, shape (n,)
        NaN where there was no answer. Limits may be infinite; the lower one is above the upper one where a test rejects
        every effect, and its set is empty.
    reasons : tuple of (str or None), length n
        Why there is no interval, or the answer was refused; None where there is one.
    """

    method: str
    truth: float
    estimate: Floats
    ci_low: Floats
    ci_high: Floats
    reasons: tuple[str | None, ...]

    @property
    def answered(self) -> Bools:
        return np.array([reason is None for reason in self.reasons])

    def covers(self, value: float) -> Bools:
        """Whether each interval holds a value, shape (n,); false where there is none."""
        held: Bools = (self.ci_low <= value) & (value <= self.ci_high)
        return held

    @property
    def rejects(self) -> Bools:
        """Whether each interval leaves out zero, shape (n,), as an empty set does; false where there is none."""
        left_out: Bools = (self.ci_low > 0) | (self.ci_high < 0)
        return left_out & self.answered


@dataclass(frozen=True)
class Trial:
    """One method, its options, and the effect that is injected, in outcome units or as a proportion."""

    method: str
    effect: float
    options: Mapping[str, object]


def run_trials(
    replays: Replays,
    trials: Sequence[Trial],
    *,
    level: float,
    seed: int,
    prepare: Prepare | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[Trials]:
    """Run every trial on every replay.

    Parameters
    ----------
    prepare : callable, optional
        Panel to panel, called once on each replay's panel without effect, for example to fit propensity scores that
        several methods share.
    workers : int
        Processes. The answers do not depend on it; ``prepare`` is then a function of a module.
    progress : callable, optional
        Called with the replays done and their number.

    Raises
    ------
    LiftosError
        A method or option that does not exist. What a method refuses on a panel is an answer, not an error.
    """
    if workers < 1:
        raise LiftosError("at least 1 worker", str(workers), "2 are usual.")
    if not 0.0 < level < 1.0:
        raise LiftosError("a level between 0 and 1", repr(level), "0.95 asks for a 95 % interval.")
    for trial in trials:
        if trial.method not in ESTIMATORS:
            raise LiftosError(f"a method among {', '.join(ESTIMATORS)}", repr(trial.method), "Choose one of them.")
        checked_options(
            trial.method, ESTIMATORS[trial.method].function, trial.options, {"level": level, "seed": seed}
        )
    n_replays = len(replays.draws)
    answers = np.full((len(trials), 3, n_replays), math.nan)
    reasons: list[list[str | None]] = [[None] * n_replays for _ in trials]
    done = 0
    for numbers, found in _parts((replays, trials, level, seed, prepare), workers):
        for number, told in zip(numbers, found, strict=True):
            for place, (values, reason) in enumerate(told):
                answers[place, :, number], reasons[place][number] = values, reason
        done += len(numbers)
        if progress is not None:
            progress(done, n_replays)
    return [
        Trials(
            trial.method,
            trial.effect,
            answers[place, 0],
            answers[place, 1],
            answers[place, 2],
            tuple(reasons[place]),
        )
        for place, trial in enumerate(trials)
    ]


_NONE = (math.nan, math.nan, math.nan)
_Answer = tuple[tuple[float, float, float], str | None]
_Job = tuple[Replays, Sequence[Trial], float, int, Prepare | None]


def _parts(job: _Job, workers: int) -> Iterator[tuple[Sequence[int], list[list[_Answer]]]]:
    draws = job[0].draws
    order = sorted(range(len(draws)), key=lambda number: draws[number].first)
    if workers == 1:
        with blas().limit(limits=1):
            for number in order:
                yield [number], [_answers(job, number)]
        return
    parts = [list(part) for part in np.array_split(order, min(len(order), workers * _CHUNKS_PER_WORKER))]
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_hold, initargs=(job,)) as pool:
        yield from zip(parts, pool.map(_answers_held, parts), strict=True)


_held: list[_Job] = []
"""In a worker: what all of its parts share."""


def _hold(job: _Job) -> None:
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    _held[:] = [job]


def _answers_held(numbers: Sequence[int]) -> list[list[_Answer]]:
    return [_answers(_held[0], number) for number in numbers]


def _answers(job: _Job, number: int) -> list[_Answer]:
    replays, trials, level, seed, prepare = job
    untouched = replays.placebo(number)
    if prepare is not None:
        try:
            untouched = prepare(untouched)
        except LiftosError as error:
            return [(_NONE, str(error))] * len(trials)
    panels: dict[tuple[float, bool], Panel] = {}
    told = []
    for trial in trials:
        key = trial.effect, ESTIMATORS[trial.method].scale == "proportion"
        if key not in panels:
            panels[key] = with_effect(untouched, *key)
        told.append(_answer(trial, panels[key], level, seed))
    return told


def _answer(trial: Trial, panel: Panel, level: float, seed: int) -> _Answer:
    from liftos_pipeline.causal import estimate

    if ESTIMATORS[trial.method].treatment == "any":
        return _NONE, "placebo treatments are drawn at random: no instrument moves them"
    try:
        found = estimate(trial.method, panel, level=level, seed=seed, **trial.options)
    except LiftosError as error:
        return _NONE, str(error)
    if found.refused is None and math.isnan(found.ci_low) and not math.isnan(found.p_value):
        return (found.estimate, math.inf, -math.inf), None
    return (found.estimate, found.ci_low, found.ci_high), found.refused or found.without_interval
