"""The webhook that the settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bargein.errors import UsageError
from bargein.recorder.disk import DiskThread
from bargein.server.records.kept_records import KeptRecords
from bargein.server.settings import Settings
from bargein.server.webhook.body import body_for
from bargein.server.webhook.delivery import CallWebhook
from bargein.server.webhook.signing import keys_of
from bargein.server.webhook.spool import WebhookSpool

RECORD_S = 2.0  # that a webhook waits for the record of its call


def webhook_for(
    settings: Settings, disk: DiskThread, records: KeptRecords | None, on_end: Callable[[str], None]
) -> CallWebhook | None:
    """None: none is wanted. Raises UsageError for settings that do not fit together."""
    if settings.webhook_url is None:
        return None
    root = settings.record
    if root is None or records is None:
        advice = "Give a folder for records (--record), or no BARGEIN_WEBHOOK_URL"
        raise UsageError("A webhook tells what the record of a call holds, and no records are kept", advice=advice)
    if settings.webhook_secret is None:
        advice = "Set BARGEIN_WEBHOOK_SECRET to whsec_ and the output of: openssl rand -base64 32"
        raise UsageError("A webhook without a secret is not signed: its receiver could not know it", advice=advice)
    try:
        keys = keys_of(settings.webhook_secret.get_secret_value())
    except ValueError as error:
        raise UsageError("BARGEIN_WEBHOOK_SECRET is no secret of Standard Webhooks", advice=f"Please {error}") from None
    kept = records

    async def body_of(record: str) -> bytes:
        await disk.reached(RECORD_S)
        return await kept.read(partial(body_for, root / record, settings.public_url))

    return CallWebhook(settings.webhook_url, keys, WebhookSpool(root), body_of, on_end)
