"""What a register line says about an estimator or a detector, and the check of a call against it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from liftos_pipeline.causal.results import Detection, EffectEstimate
from liftos_pipeline.errors import LiftosError


@dataclass(frozen=True)
class EstimatorSpec:
    """One line of ``ESTIMATORS``.

    ``function(panel, *, level, ...)`` takes its options by keyword, and ``seed`` where it draws at random.
    The first of ``estimands`` is the default. A method that ``streams`` leaves the rows of a file where they are.
    ``scale`` is the unit of the estimate: the outcome's, or a proportion of it.
    """

    name: str
    function: Callable[..., EffectEstimate]
    estimands: tuple[str, ...]
    description: str
    inference: str
    reference: str
    refuses_when: str
    treatment: Literal["binary", "any"] = "binary"
    streams: bool = False
    scale: Literal["outcome", "proportion"] = "outcome"


@dataclass(frozen=True)
class DetectorSpec:
    """One line of ``DETECTORS``. ``function(df, *, unit, period, value, ...)`` takes its options by keyword."""

    name: str
    function: Callable[..., Detection]
    description: str
    reference: str
    not_identified_when: str


def options_of(function: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """Keyword parameters of a registered function, by name."""
    parameters = inspect.signature(function).parameters
    return {n: p for n, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def checked_options(
    name: str,
    function: Callable[..., object],
    given: Mapping[str, object],
    offered: Mapping[str, object],
) -> dict[str, object]:
    """Keyword arguments of a call: the caller's options, and those of ``offered`` that the function takes.

    Raises
    ------
    LiftosError
        An option that the function does not have, or a required one that is missing.
    """
    accepted = options_of(function)
    own = [option for option in accepted if option not in offered]
    unknown = sorted(set(given) - set(accepted))
    if unknown:
        raise LiftosError(
            f"options of {name}: {', '.join(own) or 'none'}", ", ".join(unknown), "Correct or drop the option."
        )
    call = {key: value for key, value in offered.items() if key in accepted and value is not None} | dict(given)
    required = {key for key, parameter in accepted.items() if parameter.default is inspect.Parameter.empty}
    missing = sorted(required - set(call))
    if missing:
        raise LiftosError(f"{name} with {', '.join(sorted(required))}", f"no {', '.join(missing)}", "Name them.")
    return call


def one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a value that an option does not have.

    Raises
    ------
    LiftosError
        ``value`` is not in ``allowed``.
    """
    if value not in allowed:
        raise LiftosError(f"{option} one of {', '.join(allowed)}", repr(value), "Choose one of them.")
