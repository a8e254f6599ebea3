"""Answers as sentences: words before numbers."""

from __future__ import annotations

from liftos_pipeline.report import words
from liftos_pipeline.report.inputs import Record

_CHANGES = " changes"
_REGIONS = "geo_experiment"
"""Told for themselves: the sum of a channel does not hold them."""
_CERTAIN = {"up": "raised", "down": "lowered"}


def sentence(answer: Record, break_even: object) -> str:
    """What one kind of change did on its channel, what the platform says of it, and what follows."""
    parts = [f"{words.capital(words.change(answer['treatment_type'], answer['design']))} {_effect(answer)}"]
    parts.append(_reported(answer))
    money = answer.get("money")
    if answer["verdict"] in words.TOLD and isinstance(money, dict):
        parts.append(_return(money, break_even))
    return f"{'; '.join(part for part in parts if part)}."


def decision(answer: Record) -> str:
    """go, no-go or keep, as it follows from the money where that is judged."""
    money = answer.get("money")
    judged = money if isinstance(money, dict) and money["verdict"] in words.TOLD else answer
    if answer["verdict"] not in words.TOLD and judged is answer:
        return words.DECISIONS["keep"]
    return words.DECISIONS[str(judged["decision"])]


def reason(answer: Record) -> str:
    """Why no number may be told: in plain words where a gate is behind it, else as the policy says."""
    return words.capital("; ".join(_reasons(answer)))


def _reasons(answer: Record) -> list[str]:
    because, reasons = answer["because"], answer["reasons"]
    told = because if isinstance(because, list) and because else reasons
    return list(dict.fromkeys(map(str, told))) if isinstance(told, list) else []


def channel_lead(platform: object, answers: list[Record], total: Record | None, break_even: object) -> str:
    """The channel in a sentence, and one for its experiment of regions."""
    name = words.channel(platform)
    if not answers:
        return f"{name}: nothing was changed that can be judged yet."
    regions = [answer for answer in answers if answer["design"] == _REGIONS]
    others = [answer for answer in answers if answer["design"] != _REGIONS]
    leads = [sentence(answer, break_even) for answer in regions if answer["verdict"] in words.TOLD]
    told = [answer for answer in others if answer["verdict"] in words.TOLD]
    if told and total is not None and words.known(total.get("incremental")):
        leads.append(words.capital(_total(told, total, len(others), break_even)))
    if leads:
        first, *rest = leads
        return " ".join([f"{name}: {first[0].lower()}{first[1:]}", *rest])
    hints = [answer for answer in answers if answer["direction"] in _CERTAIN]
    outcome = words.outcome(answers[0]["outcome"])
    if not hints:
        return f"{name}: what its changes did to {outcome} is not known yet{_shared_reason(answers)}."
    said = [
        f"{_kinds([answer for answer in hints if answer['direction'] == way])} {verb} {outcome}"
        for way, verb in _CERTAIN.items()
        if any(a["direction"] == way for a in hints)
    ]
    return f"{name}: {' and '.join(said)}, but by how much may not be told yet{_shared_reason(hints)}."


def _shared_reason(answers: list[Record]) -> str:
    """What all of them wait for."""
    first, *others = (_reasons(answer) for answer in answers)
    shared = [text for text in first if all(text in other for other in others)]
    return f": {'; '.join(shared)}" if shared else ""


def _total(told: list[Record], total: Record, n_all: int, break_even: object) -> str:
    parts = [f"{_kinds(told)} {_moved(total)}", _reported({**total, "platform": told[0]["platform"]})]
    money = total.get("money")
    if isinstance(money, dict) and words.known(money["marginal_iroas"]):
        parts.append(_return(money, break_even))
    out = n_all - len(told)
    if out:
        parts.append(f"{out} of {n_all} kinds of change {'is' if out == 1 else 'are'} left out")
    return f"{'; '.join(part for part in parts if part)}."


def _kinds(answers: list[Record]) -> str:
    """Budget and creative changes; each in full where one came about otherwise."""
    names = [words.change(answer["treatment_type"], answer["design"]) for answer in answers]
    if all(name.endswith(_CHANGES) for name in names):
        return words.listed([name.removesuffix(_CHANGES) for name in names]) + _CHANGES
    return words.listed(names)


def _effect(answer: Record) -> str:
    if answer["verdict"] in words.TOLD:
        return _moved(answer)
    outcome = words.outcome(answer["outcome"])
    if answer["verdict"] == "refuse":
        return f"have no answer: what they did to {outcome} is not known"
    verb = _CERTAIN.get(str(answer["direction"]))
    return (
        f"{verb} {outcome}, by how much may not be told"
        if verb
        else f"have no clear effect on {outcome} either way"
    )


def _moved(row: Record) -> str:
    """Added, cost or not told from zero, with the interval."""
    value, low, high = (row[f"incremental{end}"] for end in ("", "_low", "_high"))
    outcome = words.outcome(row["outcome"])
    if isinstance(low, float) and low > 0.0:
        return f"added {words.amount(value)} {outcome} ({words.span(low, high)})"
    if isinstance(high, float) and high < 0.0:
        ends = words.span(-high, -low if isinstance(low, float) else None)
        return f"cost {words.amount(-value if isinstance(value, float) else None)} {outcome} ({ends})"
    return f"moved {outcome} by {words.amount(value, signed=True)} ({words.span(low, high)}), which is not told from none"


def _reported(answer: Record) -> str:
    change = answer["reported_change"]
    if not words.known(change):
        return ""
    outcome = words.outcome(answer["outcome"])
    who = "the shop" if answer["label"] == "effect_on_orders" else f"{words.channel(answer['platform'])} itself"
    way = "more" if isinstance(change, float) and change >= 0.0 else "fewer"
    size = words.amount(abs(change) if isinstance(change, float) else None)
    return f"{who} counted {size} {way} {outcome} than before in the same days ({words.amount(answer['reported'])} in all)"


def _return(money: Record, break_even: object) -> str:
    """The return on the added spend beside break-even, or what is left after the cost."""
    if words.known(money["marginal_iroas"]):
        value = money["marginal_iroas"]
        ends = [money["marginal_iroas_low"], money["marginal_iroas_high"]]
        text = f"return on the added spend {words.rate(value)} ({words.span(ends[0], ends[1], words.rate)})"
        if not isinstance(break_even, int | float) or not isinstance(value, float):
            return text
        side = "above" if value >= break_even else "below"
        first, last = (end if isinstance(end, float) else None for end in ends)
        is_sure = (first is not None and first > break_even) or (last is not None and last < break_even)
        return f"{text}, {side} the break-even of {break_even:g}{'' if is_sure else ', which is not certain'}"
    if words.known(money["net_return"]):
        ends_of = words.span(money["net_low"], money["net_high"])
        kind = "list" if money["platform"] == "klaviyo" else "campaign"
        return f"value less added cost {words.amount(money['net_return'], signed=True)} per {kind} and day ({ends_of})"
    return ""
