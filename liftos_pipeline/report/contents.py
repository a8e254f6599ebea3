"""Everything that a report says, as one object of plain values: what the page shows and what ``--format json`` prints."""

from __future__ import annotations

from liftos_pipeline.report import headlines
from liftos_pipeline.report.answers import answers, channel_totals
from liftos_pipeline.report.changes import changes_since
from liftos_pipeline.report.evidence import evidence
from liftos_pipeline.report.inputs import Record, ReportInput
from liftos_pipeline.report.methods import methods
from liftos_pipeline.report.quality import certificates, quality, staleness, timeline
from liftos_pipeline.schema.results import GATES

_BREAK_EVEN = "liftos_break_even_roas"
SIMULATED_NOTE = "SIMULATED: every number comes from a made-up world whose truth is known."


def contents(given: ReportInput) -> Record:
    """The report of one as-of day. Nothing in it is NaN; what is not known is None beside its reason."""
    told = answers(given)
    totals = channel_totals(given)
    break_even = given.settings.get(_BREAK_EVEN)
    for answer in told:
        answer["sentence"] = headlines.sentence(answer, break_even)
        answer["decision_in_words"] = headlines.decision(answer)
        answer["reason_in_words"] = headlines.reason(answer)
    channels = []
    for platform in dict.fromkeys([*(answer["platform"] for answer in told), *totals]):
        own = [answer for answer in told if answer["platform"] == platform]
        channels.append(
            {
                "platform": platform,
                "lead": headlines.channel_lead(platform, own, totals.get(platform), break_even),
                "total": totals.get(platform),
                "answers": own,
            }
        )
    return {
        "as_of": given.as_of.isoformat(),
        "source_mode": given.source_mode,
        "simulated": SIMULATED_NOTE if given.is_simulated else None,
        "break_even": break_even,
        "provenance": _provenance(given),
        "channels": channels,
        "changes": changes_since(given),
        "timeline": timeline(given),
        "evidence": evidence(given, told),
        "quality": quality(given),
        "staleness": staleness(given),
        "certificates": certificates(given),
        "methods": methods(given, told),
    }


def all_answers(report: Record) -> list[Record]:
    """Answers of all channels, in order."""
    channels = report["channels"]
    return [answer for channel in channels for answer in channel["answers"]] if isinstance(channels, list) else []


def _provenance(given: ReportInput) -> Record:
    rows = given.rows(GATES)
    names = ("run_id", "code_version", "seed")
    return {name: rows[0][name] if rows else None for name in names}
