"""What a user can set: from the environment, else from ``liftos.toml`` in the home. Read once, validated whole.

The only module that reads the environment. It opens no connection.
"""

from __future__ import annotations

import os
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from liftos_pipeline.errors import LiftosError

CREDENTIALS: dict[str, tuple[str, ...]] = {
    "meta": ("META_ACCESS_TOKEN", "META_AD_ACCOUNT_IDS"),
    "google_ads": (
        "GOOGLE_ADS_DEVELOPER_TOKEN",
        "GOOGLE_ADS_CLIENT_ID",
        "GOOGLE_ADS_CLIENT_SECRET",
        "GOOGLE_ADS_REFRESH_TOKEN",
        "GOOGLE_ADS_CUSTOMER_IDS",
    ),
    "klaviyo": ("KLAVIYO_PRIVATE_API_KEY",),
    "fred": ("FRED_API_KEY",),
}
"""What each platform needs. A platform with some of these and not all is a partly configured one."""

OPTIONAL_CREDENTIALS: dict[str, tuple[str, ...]] = {
    "meta": ("META_APP_SECRET",),
    "google_ads": ("GOOGLE_ADS_LOGIN_CUSTOMER_ID",),
}
SIMULATED = "simulated"
BEHIND_RESULTS = (
    "liftos_look_back_days",
    "liftos_seed",
    "liftos_confidence_level",
    "liftos_overlap_min_effective_controls",
    "liftos_certificate_replays",
    "liftos_break_even_roas",
    "liftos_lift_meta",
    "liftos_lift_google_ads",
    "liftos_cutoffs",
    "liftos_instruments",
    "liftos_density_max_empty_days",
    "liftos_density_max_holes",
    "liftos_tracking_max_shift",
    "liftos_maturity_min_completeness",
    "liftos_reconcile_tolerance",
    "liftos_reconcile_max_claims",
    "liftos_placebo_level",
    "liftos_placebo_borne_share",
    "liftos_balance_max_smd",
    "liftos_balance_max_variance_ratio",
    "liftos_balance_max_distance",
    "liftos_interference_level",
    "liftos_precedence_level",
    "liftos_pre_fit_max_ratio",
)
"""Settings that results depend on beside the data. They are kept with every run."""


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    platform: Literal["meta", "google_ads", "klaviyo"]
    treatment_type: Literal["budget_change", "targeting_change", "creative_change"]
    on: date

    @field_validator("platform", mode="before")
    @classmethod
    def _by_its_full_name(cls, name: object) -> object:
        return "google_ads" if name == "google" else name


class CutoffRule(_Rule):
    """A rule by which units were treated on a day: those whose ``column`` was at ``cutoff`` or above.

    ``column``: of the panel, its last known value before the day. ``window``: units within it are compared. ``accounts``,
    ``units``: whom the rule was for; all of the platform if left out.
    """

    column: str
    cutoff: float
    window: float = Field(gt=0)
    accounts: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


class InstrumentRule(_Rule):
    """What moved units to be treated on a day and touches their sales in no other way, such as a lot that was not always
    followed. ``values``: unit id to number, 1 and 0 for a lot."""

    values: dict[str, float] = Field(min_length=2)


class _HomeFile(PydanticBaseSettingsSource):
    """``liftos.toml`` in the home, with the names of the environment."""

    def get_field_value(self, field: object, field_name: str) -> tuple[object, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, object]:
        path = Path(os.environ.get("LIFTOS_HOME", ".liftos")) / "liftos.toml"
        if not path.is_file():
            return {}
        try:
            entries = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise LiftosError("valid TOML in liftos.toml", str(error), "Correct the file.") from error
        fields = {name.lower(): value for name, value in entries.items()}
        unknown = sorted(set(fields) - set(self.settings_cls.model_fields))
        if unknown:
            raise LiftosError(
                "only settings that the README lists in liftos.toml",
                ", ".join(name.upper() for name in unknown),
                "Correct or delete these lines.",
            )
        return fields


class Settings(BaseSettings):
    """Settings of one home. Field names in upper case are the names in the environment and in ``liftos.toml``."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    liftos_home: Path = Path(".liftos")
    liftos_warehouse: SecretStr | None = None
    liftos_warehouse_data: str | None = None
    liftos_dagster_postgres_url: SecretStr | None = None
    liftos_dagster_max_runs: int = Field(4, ge=1)
    liftos_start_date: date = date(2026, 1, 1)
    liftos_look_back_days: int = Field(180, ge=57, le=1100)
    liftos_seed: int = Field(0, ge=0)
    liftos_scenario: str = "staggered_rollout"
    liftos_fault_seed: int | None = Field(None, ge=0)
    liftos_fault_rate: float = Field(0.02, ge=0, le=1)
    liftos_fred_backend: Literal["auto", "pandas_datareader"] = "auto"
    liftos_alert_webhook_url: SecretStr | None = None
    liftos_accept_vanished: bool = False
    liftos_http_wait_budget_s: float = Field(900.0, ge=0)
    liftos_overlap_min_effective_controls: float = Field(20.0, ge=1)
    liftos_certificate_replays: int = Field(100, ge=20)
    liftos_confidence_level: float = Field(0.95, gt=0.5, lt=1)
    liftos_break_even_roas: float = Field(1.0, gt=0)
    liftos_lift_meta: str | None = None
    liftos_lift_google_ads: str | None = None
    liftos_cutoffs: tuple[CutoffRule, ...] = ()
    liftos_instruments: tuple[InstrumentRule, ...] = ()
    liftos_density_max_empty_days: int = Field(0, ge=0)
    liftos_density_max_holes: float = Field(0.02, ge=0, le=1)
    liftos_tracking_max_shift: float = Field(0.5, gt=0)
    liftos_maturity_min_completeness: float = Field(0.97, ge=0, le=1)
    liftos_reconcile_tolerance: float = Field(0.01, ge=0, le=1)
    liftos_reconcile_max_claims: float = Field(1.0, gt=0)
    liftos_placebo_level: float = Field(0.02, gt=0, lt=1)
    liftos_placebo_borne_share: float = Field(0.1, ge=0, le=1)
    liftos_balance_max_smd: float = Field(0.5, gt=0)
    liftos_balance_max_variance_ratio: float = Field(3.0, ge=1)
    liftos_balance_max_distance: float = Field(0.35, gt=0, le=1)
    liftos_interference_level: float = Field(0.05, gt=0, lt=1)
    liftos_precedence_level: float = Field(0.01, gt=0, lt=1)
    liftos_pre_fit_max_ratio: float = Field(2.0, gt=0)

    liftos_api_keys: SecretStr | None = None
    liftos_api_max_body_mb: float = Field(32.0, gt=0)
    liftos_api_time_limit_s: float = Field(30.0, gt=0)
    liftos_api_max_analyses: int = Field(8, ge=1, le=1000)

    liftos_meta_base_url: str = "https://graph.facebook.com"
    liftos_google_ads_base_url: str = "https://googleads.googleapis.com"
    liftos_google_oauth_base_url: str = "https://oauth2.googleapis.com"
    liftos_klaviyo_base_url: str = "https://a.klaviyo.com"
    liftos_fred_base_url: str | None = None

    meta_access_token: SecretStr | None = None
    meta_app_secret: SecretStr | None = None
    meta_ad_account_ids: str | None = None
    meta_api_version: str = "v26.0"
    google_ads_developer_token: SecretStr | None = None
    google_ads_client_id: str | None = None
    google_ads_client_secret: SecretStr | None = None
    google_ads_refresh_token: SecretStr | None = None
    google_ads_login_customer_id: str | None = None
    google_ads_customer_ids: str | None = None
    google_ads_api_version: str = "v26"
    klaviyo_private_api_key: SecretStr | None = None
    klaviyo_revision: str = "2026-10-15"
    fred_api_key: SecretStr | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _HomeFile(settings_cls)

    @property
    def home(self) -> Path:
        return self.liftos_home.expanduser().resolve()

    def configured(self) -> tuple[str, ...]:
        """Platforms that have all their credentials.

        Raises
        ------
        LiftosError
            A platform has some of its credentials and not all.
        """
        complete = []
        for platform, names in CREDENTIALS.items():
            missing = [name for name in names if not self._is_set(name)]
            present = [name for name in (*names, *OPTIONAL_CREDENTIALS.get(platform, ())) if self._is_set(name)]
            if present and missing:
                raise LiftosError(
                    f"all credentials of {platform} or none",
                    f"{', '.join(present)} without {', '.join(missing)}",
                    f"Set {', '.join(missing)}, or unset the others.",
                )
            if not missing:
                complete.append(platform)
        return tuple(complete)

    @property
    def source_mode(self) -> Literal["live", "simulated"]:
        """Simulated only when no platform has credentials: a mode belongs to the home, not to a platform."""
        return "live" if self.configured() else "simulated"

    def platforms(self) -> tuple[str, ...]:
        """Platforms that are pulled. FRED needs no key: a live home always has it."""
        if self.source_mode == "simulated":
            return tuple(CREDENTIALS)
        return tuple(p for p in CREDENTIALS if p in self.configured() or p == "fred")

    def as_simulated(self, accounts: dict[str, tuple[str, ...]], base_url: str) -> Settings:
        """The same home with the simulated platforms' accounts, credentials and address filled in."""
        secret = SecretStr(SIMULATED)
        return self.model_copy(
            update={
                "liftos_meta_base_url": base_url,
                "liftos_google_ads_base_url": base_url,
                "liftos_google_oauth_base_url": base_url,
                "liftos_klaviyo_base_url": base_url,
                "liftos_fred_base_url": base_url,
                "meta_access_token": secret,
                "meta_ad_account_ids": ",".join(accounts["meta"]),
                "google_ads_developer_token": secret,
                "google_ads_client_id": SIMULATED,
                "google_ads_client_secret": secret,
                "google_ads_refresh_token": secret,
                "google_ads_customer_ids": ",".join(accounts["google_ads"]),
                "klaviyo_private_api_key": secret,
                "fred_api_key": secret,
            }
        )

    def lift_studies(self) -> dict[str, tuple[float, float]]:
        """Per ad platform the share of reported sales that a lift study found to be incremental, and its standard error.

        Raises
        ------
        LiftosError
            Not a share with two limits around it.
        """
        told = {"meta": self.liftos_lift_meta, "google_ads": self.liftos_lift_google_ads}
        return {platform: _lift(platform, text) for platform, text in told.items() if text and text.strip()}

    def declared_rules(self) -> tuple[CutoffRule | InstrumentRule, ...]:
        """Cutoffs, then instruments."""
        return (*self.liftos_cutoffs, *self.liftos_instruments)

    def api_keys(self) -> tuple[str, ...]:
        """Keys that the service accepts; empty where none are set, and it serves this machine alone.

        Raises
        ------
        LiftosError
            Set, and without a key.
        """
        if self.liftos_api_keys is None:
            return ()
        keys = tuple(key.strip() for key in self.liftos_api_keys.get_secret_value().split(",") if key.strip())
        if not keys:
            raise LiftosError(
                "keys, comma-separated, in LIFTOS_API_KEYS", "none", "Set a key, or unset the setting."
            )
        return keys

    def behind_results(self) -> dict[str, object]:
        """The settings that results depend on, as JSON holds them."""
        return self.model_dump(mode="json", include=set(BEHIND_RESULTS))

    def with_results_of(self, kept: dict[str, object]) -> Settings:
        """These settings with those that results of a run depended on, as ``behind_results`` told them."""
        cutoffs = TypeAdapter(tuple[CutoffRule, ...]).validate_python(kept.get("liftos_cutoffs", ()))
        instruments = TypeAdapter(tuple[InstrumentRule, ...]).validate_python(kept.get("liftos_instruments", ()))
        update = {**kept, "liftos_cutoffs": cutoffs, "liftos_instruments": instruments}
        return self.model_copy(update=update)

    def check_as_of(self, day: date, now: datetime) -> None:
        """Refuse a day that has not ended or lies before the home's first day."""
        newest = last_ended_day(now)
        if not self.liftos_start_date <= day <= newest:
            raise LiftosError(
                f"a day from {self.liftos_start_date} to {newest}",
                str(day),
                "Choose a day that has ended, or set LIFTOS_START_DATE earlier before the home is first filled.",
            )

    def _is_set(self, name: str) -> bool:
        value = getattr(self, name.lower())
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        return bool(value and str(value).strip())


def _lift(platform: str, text: str) -> tuple[float, float]:
    try:
        share, low, high = (float(part) for part in text.split(","))
    except ValueError:
        share, low, high = -1.0, 0.0, 0.0
    if not 0.0 <= low <= share <= high:
        name = f"LIFTOS_LIFT_{platform.upper()}"
        raise LiftosError(
            f"share, lower and upper 95 % limit in {name}, such as 0.7,0.55,0.85",
            repr(text),
            "Give the lift study's incremental sales over reported ones, with its limits.",
        )
    return share, (high - low) / (2 * _QUANTILE)


_QUANTILE = 1.959963984540054


def last_ended_day(now: datetime) -> date:
    """Newest day that has ended in UTC."""
    return now.astimezone(UTC).date() - timedelta(days=1)


def load_settings() -> Settings:
    """Read and validate the settings of this process.

    Raises
    ------
    LiftosError
        A value is not of its kind, or ``liftos.toml`` has an unknown name.
    """
    try:
        return Settings()
    except SettingsError as error:
        name = str(error).split('"')[1].upper()
        raise LiftosError(f"a list in JSON in {name}", "text that is none", f"Correct {name}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]).upper()
        raise LiftosError(f"a valid {name}", f"{first['input']!r} ({first['msg']})", f"Correct {name}.") from None
