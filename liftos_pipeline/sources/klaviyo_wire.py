"""What Klaviyo's streams share: JSON:API links, attributes and relationships."""

from __future__ import annotations

from collections.abc import Sequence

from liftos_pipeline.sources.columns import part
from liftos_pipeline.sources.pull import Pull, Row


def next_link(page: Row) -> object:
    """``links.next``, null on the last page."""
    links = page.get("links")
    return links.get("next") if isinstance(links, dict) else None


def attributes(rows: Sequence[Row], pull: Pull) -> list[Row]:
    """The attributes of every resource."""
    return part(rows, "attributes", pull)


def related_id(row: Row, name: str) -> object:
    """Id of a to-one relationship; None if there is none."""
    relationships = row.get("relationships")
    link = relationships.get(name) if isinstance(relationships, dict) else None
    data = link.get("data") if isinstance(link, dict) else None
    return data.get("id") if isinstance(data, dict) else None
