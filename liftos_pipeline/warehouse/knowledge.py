"""What was known at the end of one as-of day, as the stages read it. The only place that spells these relations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb
import pandas as pd

from liftos_pipeline.schema import Table

_VECTORS_AT_ONCE = 100
"""Of 2,048 rows each."""


@dataclass(frozen=True)
class Knowledge:
    """The panel and what stands beside it, as of one day.

    ``known_until``: nothing that was pulled at this instant (UTC) or later is read, as in the run that is replayed;
    None reads what a run of today would.
    """

    connection: duckdb.DuckDBPyConnection
    as_of: date
    look_back_days: int
    known_until: datetime | None = None

    def panel(self, columns: Sequence[str]) -> pd.DataFrame:
        """Columns of ``marketing_panel`` over the look-back window. Equal texts are one object: millions of rows fit."""
        relation = self._relation("mart.marketing_panel_as_of", self.look_back_days)
        self.connection.execute(f"SELECT {', '.join(columns)} FROM {relation}")
        parts, texts = [self.connection.fetch_df_chunk(_VECTORS_AT_ONCE)], dict[str, str]()
        while len(parts[-1]):
            for name in parts[-1].select_dtypes(object):
                parts[-1][name] = [texts.setdefault(text, text) for text in parts[-1][name]]
            parts.append(self.connection.fetch_df_chunk(_VECTORS_AT_ONCE))
        return pd.concat(parts[:-1] or parts, ignore_index=True)

    def currencies(self) -> pd.DataFrame:
        """platform, unit_id, currency_code, n_days, first_day: currencies of every unit over the look-back window."""
        return self.frame(
            "SELECT platform, unit_id, currency_code, count(*) AS n_days, min(date_day) AS first_day "
            f"FROM {self._relation('mart.marketing_panel_as_of', self.look_back_days)} "
            "WHERE currency_code IS NOT NULL GROUP BY ALL ORDER BY ALL"
        )

    def accounts(self) -> pd.DataFrame:
        """platform, account_id, currency_code, account_timezone: every account as it was known."""
        return self.frame(
            "SELECT a.platform, a.account_id, a.currency_code, a.account_timezone "
            "FROM intermediate.int_account_versions AS a "
            f"JOIN {self._relation('intermediate.int_accounts__visible')} AS v "
            "ON v.source = a.platform AND v.stream = a.stream AND v.account_id = a.account_id "
            "WHERE a.observed_from < v.known_at AND a.observed_to >= v.known_at ORDER BY ALL"
        )

    def subscriptions(self) -> pd.DataFrame:
        """unit_id, joined_on, left_on, has_unsubscribed: one row per person and list."""
        return self.frame(
            "SELECT 'klaviyo:' || account_id || ':' || list_id AS unit_id, joined_on, left_on, has_unsubscribed "
            f"FROM {self._relation('intermediate.int_subscriptions__as_of')} ORDER BY ALL"
        )

    def changes(self) -> pd.DataFrame:
        """Logged changes of every unit."""
        return self.frame(f"SELECT * FROM {self._relation('intermediate.int_changes__as_of')} ORDER BY ALL")

    def log_days(self) -> pd.DataFrame:
        """platform, account_id, date_day: days of the look-back window whose change log was pulled."""
        return self.frame(
            "SELECT source AS platform, account_id, date_day "
            f"FROM {self._relation('intermediate.int_days__visible', self.look_back_days)} "
            "WHERE (source = 'meta' AND stream = 'activities') OR (source = 'google_ads' AND stream = 'change_events') "
            "ORDER BY ALL"
        )

    def experiments(self) -> pd.DataFrame:
        """Declared experiments, one row per arm."""
        return self.frame(f"SELECT * FROM {self._relation('mart.experiments_as_of')} ORDER BY ALL")

    def pulled_days(self) -> pd.DataFrame:
        """source, stream, account_id, date_day: days that were pulled, each once."""
        return self.frame(
            "SELECT DISTINCT source, stream, account_id, date_day "
            f"FROM {self._relation('intermediate.int_days__visible', self.look_back_days)} ORDER BY ALL"
        )

    def lost_days(self) -> pd.DataFrame:
        """source, stream, account_id, first_day, last_day: days that a platform no longer serves."""
        return self.frame(
            "SELECT source, stream, account_id, first_day, last_day FROM ops.history_gap ORDER BY ALL"
        )

    def factors(self) -> pd.DataFrame:
        """Macro factors."""
        return self.frame(f"SELECT * FROM {self._relation('intermediate.int_macro__as_known')}")

    def releases(self) -> pd.DataFrame:
        """series_id, observation_date, released_on, has_value: FRED periods that had come out."""
        return self.frame(f"SELECT * FROM {self._relation('intermediate.int_releases__as_of')} ORDER BY ALL")

    def levels(self) -> pd.DataFrame:
        """platform, account_id, date_day, level, spend, impressions, clicks, conversions: sums of every level pulled."""
        return self.frame(
            f"SELECT * FROM {self._relation('intermediate.int_levels__as_of', self.look_back_days)} ORDER BY ALL"
        )

    def attribution_settings(self) -> pd.DataFrame:
        """platform, account_id, unit_id, attribution_setting, first_day, n_days: what campaigns' claims rest on."""
        return self.frame(
            f"SELECT * FROM {self._relation('intermediate.int_attribution__as_of', self.look_back_days)} ORDER BY ALL"
        )

    def triangle(self) -> pd.DataFrame:
        """platform, metric, account_id, date_day, age_days, value: what was claimed of each day at each age."""
        relation = self._relation("intermediate.int_conversions__by_age", self.look_back_days)
        return self.frame(f"SELECT * FROM {relation} ORDER BY ALL")

    def result(self, table: Table) -> pd.DataFrame:
        """Earlier result of the same as-of day, in key order."""
        order = ", ".join(table.key)
        return self.frame(f"SELECT * FROM {table.full_name} WHERE as_of = DATE '{self.as_of}' ORDER BY {order}")

    def frame(self, query: str) -> pd.DataFrame:
        return self.connection.execute(query).df()

    def _relation(self, name: str, *arguments: int) -> str:
        until = "NULL" if self.known_until is None else f"TIMESTAMP '{self.known_until}'"
        given = ", ".join(map(str, (f"DATE '{self.as_of}'", *arguments)))
        return f"{name}({given}, known_until := {until})"
