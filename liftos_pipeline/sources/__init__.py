"""Raw pulls, one platform beside the other: HTTP in, typed rows out. ``SOURCES`` is the register."""

from liftos_pipeline.sources import fred, google_ads, klaviyo, meta
from liftos_pipeline.sources.stream import Account, Connection, Source, Stream

SOURCES: dict[str, Source] = {
    source.name: source for source in (meta.SOURCE, google_ads.SOURCE, klaviyo.SOURCE, fred.SOURCE)
}

__all__ = ["SOURCES", "Account", "Connection", "Source", "Stream"]
