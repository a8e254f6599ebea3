"""Dagster only, thin: one file per stage in flow order, plus checks, resources, partitions, automation."""
