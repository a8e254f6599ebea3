"""Your own table, from a file to an effect that may be believed, without the pipeline.

    .venv/bin/python examples/own_data.py            makes up weekly orders of 40 shops, 12 of which got a new mailing
    .venv/bin/python examples/own_data.py shops.csv  reads yours: columns shop, week, orders, mailed (0 or 1)

Three questions in the order in which they should be asked. Could this test see an effect worth having? What is the effect?
And may the method be believed on rows like these?
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from liftos_pipeline.causal import Panel, certify, estimate, power

N_SHOPS, N_MAILED, N_WEEKS, START = 40, 12, 52, 40
EFFECT = 6.0
"""Orders per shop and week that the made-up mailing brings."""
WORTH_HAVING = 0.05
"""Share of the orders that would pay for it."""
METHODS = ("did", "difference_in_means")
"""The method of choice, and the bare comparison that one would rather not use."""


def made_up(seed: int = 7) -> pd.DataFrame:
    """Shops differ in size, share good and bad weeks, remember their luck; the larger ones were mailed from week 40 on."""
    rng = np.random.default_rng(seed)
    size = np.sort(rng.uniform(60.0, 140.0, N_SHOPS))[::-1]
    season = 8.0 * np.sin(2.0 * np.pi * np.arange(N_WEEKS) / 52.0)
    luck = np.zeros((N_WEEKS, N_SHOPS))
    for week in range(1, N_WEEKS):
        luck[week] = 0.5 * luck[week - 1] + rng.normal(scale=6.0, size=N_SHOPS)
    week, shop = np.repeat(np.arange(N_WEEKS), N_SHOPS), np.tile(np.arange(N_SHOPS), N_WEEKS)
    mailed = ((shop < N_MAILED) & (week >= START)).astype(int)
    orders = size[shop] + season[week] + luck[week, shop] + EFFECT * mailed
    return pd.DataFrame({"shop": shop, "week": week, "orders": orders.round(1), "mailed": mailed})


def answered(table: pd.DataFrame) -> str:
    """All three answers as text."""
    ever = table.groupby("shop")["mailed"].transform("max") == 1
    first = int(table.loc[table["mailed"] == 1, "week"].min())
    n_pre = int(table.loc[table["week"] < first, "week"].nunique())

    before = Panel.untreated(table[table["week"] < first], outcome="orders", unit="shop", period="week")
    n_mailed, n_post = int(table.loc[ever, "shop"].nunique()), int(table["week"].nunique()) - n_pre
    plan = power(
        before, "did", effect=WORTH_HAVING, relative=True, n_treated=n_mailed, n_pre=n_pre - n_post, n_post=n_post
    )

    panel = Panel.from_frame(table, outcome="orders", treatment="mailed", unit="shop", period="week")
    certificate = certify(panel, list(METHODS), n_replays=60)
    effects = [certificate.applied_to(estimate(method, panel)) for method in METHODS]
    return "\n\n".join(
        [
            f"1. COULD IT BE SEEN?\n{plan.summary()}",
            "2. WHAT IS THE EFFECT?\n" + "\n\n".join(effect.summary() for effect in effects),
            f"3. MAY IT BE BELIEVED?\n{certificate.summary()}",
        ]
    )


def main() -> None:
    if len(sys.argv) > 1:
        file = Path(sys.argv[1])
    else:
        file = Path("shops.csv")
        made_up().to_csv(file, index=False)
    print(answered(pd.read_csv(file)))  # noqa: T201


if __name__ == "__main__":
    main()
