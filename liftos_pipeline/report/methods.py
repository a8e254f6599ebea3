"""Methods and assumptions in plain language. Told are those that stand behind an answer."""

from __future__ import annotations

from collections.abc import Mapping

from liftos_pipeline.report import words
from liftos_pipeline.report.inputs import Record, ReportInput
from liftos_pipeline.schema.results import ADJUSTMENT_SETS

_QUESTION = (
    "Sales go up and down by themselves, and budgets are often raised when sales are good anyway. So a plain before and "
    "after, or what a platform claims, says little. Each answer here compares what was changed with something that was not, "
    "over 28 days from the start, and asks what would have happened without the change."
)
_DESIGNS: Mapping[str, tuple[str, str]] = {
    "experiment": (
        "A declared experiment drew who was changed; the others of that experiment are the comparison.",
        "The draw was kept to, and those left alone were not touched by the change.",
    ),
    "geo_experiment": (
        "A declared experiment drew regions in which advertising was raised or switched off; the other regions, weighted to "
        "move as these did before, are the comparison. Counted are the shop's own orders there.",
        "People buy where they see the advertising, and the other regions were not touched by it.",
    ),
    "cutoff": (
        "A rule changed units whose score was at a cutoff or above; units just below are the comparison. Who followed the "
        "rule does not matter: all units near the cutoff count, and the effect is that on those who followed.",
        "Units just above and just below differ in nothing but the rule, and nobody moved their score across it.",
    ),
    "instrument": (
        "Some units were asked to change by lot, or moved to by something else that was declared; not all followed. All of "
        "them count on their side, and the effect is that on those who followed.",
        "Being asked moves sales through the change alone.",
    ),
    "staggered": (
        "A date or rule of the account decided when units were changed; those whose turn had not come are the comparison.",
        "Without the change, both would have moved in parallel; the date was not chosen for how sales were going.",
    ),
    "landmarked": (
        "Each week, those that were changed are compared with those not changed yet that looked alike before: same spend, "
        "sales, momentum and quality. Two models, one of who is changed and one of sales, correct each other: one may be "
        "wrong.",
        "What decided on the change is in the data. What only a manager knew is not, and could explain an effect: the E-value "
        "says how strong that would have to be.",
    ),
    "single_unit": (
        "A weighted mean of untouched campaigns that followed this one closely before the start stands in for it afterwards.",
        "It would have gone on following, and the untouched ones were not moved by the change.",
    ),
}
_READING = (
    (
        "Interval",
        "The range that holds the truth in 95 of 100 such answers. Where it holds zero, there may be no effect.",
    ),
    (
        "Reported by the platform",
        "The change in what the platform (for Klaviyo: the shop) counted in the same days. It holds everything that "
        "happened then, not only what was caused.",
    ),
    (
        "Return on the added spend",
        "Value that each added unit of spend brought; at break-even it pays for itself.",
    ),
    (
        "Tier",
        "How good the evidence is: T1 a drawn experiment, T2 a date or rule that nobody chose for the results, T3 a "
        "comparison with similar ones, T4 what a platform says of itself.",
    ),
    (
        "Verdict",
        "What may be done with an answer. It follows from written rules: failed gates, the certificate and hidden influences "
        "can widen an interval, leave only its direction, or refuse it.",
    ),
    (
        "Certificate",
        "Each method was run many times where nothing was changed. It should then find nothing in 95 of 100 runs, and find an "
        "effect that was added on purpose.",
    ),
    (
        "As of",
        "What was known at the end of that day. Platforms go on adding sales to past days; younger days are left out until "
        "they are nearly complete.",
    ),
)


def methods(given: ReportInput, answers: list[Record]) -> Record:
    """The question, how each design answers it and what it assumes, how to read a number, what the graphs say."""
    designs = list(dict.fromkeys(str(answer["design"]) for answer in answers))
    graphs = given.rows(ADJUSTMENT_SETS)
    return {
        "question": _QUESTION,
        "designs": [
            {
                "name": words.capital(f"changes {words.DESIGNS.get(design, design)}"),
                "compares": _DESIGNS[design][0],
                "assumes": _DESIGNS[design][1],
            }
            for design in designs
            if design in _DESIGNS
        ],
        "reading": [{"term": term, "meaning": meaning} for term, meaning in _READING],
        "graphs": [
            {
                "platform": row["platform"],
                "treatment_type": row["treatment_type"],
                "status": row["status"],
                "adjusted_set": row["adjusted_set"],
                "absorbed_by_calendar": row["absorbed_by_calendar"],
                "forbidden": row["forbidden"],
                "open_path": row["open_path"],
            }
            for row in graphs
        ],
    }
