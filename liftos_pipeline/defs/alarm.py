"""The alarm: a line to the web hook of the settings, if there is one."""

import logging

import httpx

from liftos_pipeline.settings import load_settings

_log = logging.getLogger("liftos")


def post_alarm(message: str) -> None:
    """Post a message to LIFTOS_ALERT_WEBHOOK_URL; that it cannot be posted is logged and stops nothing."""
    url = load_settings().liftos_alert_webhook_url
    if url is None:
        return
    try:
        httpx.post(url.get_secret_value(), json={"text": message}, timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        _log.error("the alarm could not be posted: %s", type(error).__name__)
