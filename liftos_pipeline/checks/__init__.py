"""Pure rules: a table or a result in, a ``CheckOutcome`` out. Whatever SQL can say is a dbt test instead."""

from liftos_pipeline.checks.outcome import CheckOutcome

__all__ = ["CheckOutcome"]
