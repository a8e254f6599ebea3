"""The one partition definition. For raw assets the key is the account-local day, for results the as-of day."""

import dagster as dg

from liftos_pipeline.settings import load_settings

daily = dg.DailyPartitionsDefinition(start_date=load_settings().liftos_start_date.isoformat(), timezone="UTC")
one_run = dg.BackfillPolicy.single_run()
