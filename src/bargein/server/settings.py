"""Every setting of the server, from BARGEIN_* in the environment or from the command line. Vendors read their keys and
addresses themselves (vendors/common/vendor.py)."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bargein.recorder.redaction import Redaction

PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")  # a path that a proxy may put before ours


def _from(*variables: str) -> Any:
    """None, unless one of the environment's variables says otherwise (the name of the field is the first in small)."""
    return Field(default=None, validation_alias=AliasChoices(*variables, variables[0].lower()))


class Settings(BaseSettings):
    """Immutable once made. Times carry their unit."""

    model_config = SettingsConfigDict(env_prefix="BARGEIN_", frozen=True, extra="ignore", populate_by_name=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)  # 0: any that is free
    token: SecretStr | None = None  # demanded from everybody once it is set
    page_token_s: int = Field(default=300, ge=1, le=86_400)
    origins: Annotated[tuple[str, ...], NoDecode] = ()  # other sites whose pages may call; comma-separated
    max_calls: int = Field(default=64, ge=1, le=10_000)
    keep_s: float = Field(default=10, ge=0, le=300)  # a call whose connection is lost waits so long for another
    max_connections: int | None = Field(default=None, ge=16)  # open at a time; None: 4 for each call, and 256
    max_connections_per_address: int | None = Field(default=None, ge=1)  # None: half of all
    finished_kept: int = Field(default=50, ge=0, le=10_000)  # calls that stay listed after their end
    record: Path | None = Path("calls")  # a folder for every call; "" in the environment: nowhere
    record_keep: int = Field(default=1000, ge=1)
    keep_days: float | None = Field(default=None, gt=0)  # records older than this are removed; None: of any age
    redact_digits: bool = False  # no digit that was said, written or keyed stands in records; codes not in the log
    redact_arguments: Annotated[tuple[str, ...], NoDecode] = ()  # of tools: hidden in records; comma-separated
    private_numbers: bool = False  # records and log name callers' numbers by other names
    agent: str = "guide"  # a name, FILE.py:NAME or FILE.toml
    simulate: bool = False  # the vendors' parts talk to our simulators
    policy: str | None = None  # a preset for every call; None: the agent's own
    lead_ms: float = Field(default=100, ge=20, le=1000)
    public_url: str | None = None  # how the world calls this server: https://..., where a proxy stands before it
    root_path: str | None = None  # what a proxy puts before every path: /voice; None: the path of public_url
    twilio_auth_token: SecretStr | None = _from("TWILIO_AUTH_TOKEN")
    twilio_account_sid: str | None = _from("TWILIO_ACCOUNT_SID")
    twilio_url: str | None = None  # of its REST API, if it is not its own

    @field_validator("redact_arguments", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        parts = value.split(",") if isinstance(value, str) else value
        return (
            tuple(str(each).strip() for each in parts if str(each).strip())
            if isinstance(parts, list | tuple)
            else value
        )

    @field_validator("origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            return value
        return tuple(str(part).strip().rstrip("/").lower() for part in parts if str(part).strip())

    @field_validator("public_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            msg = "it must begin with https:// (or http://)"
            raise ValueError(msg)
        return value

    @field_validator("twilio_auth_token", "twilio_account_sid")
    @classmethod
    def _can_be_sent(cls, value: SecretStr | str | None) -> SecretStr | str | None:
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value or ""
        if not all("!" <= char <= "~" for char in plain):
            msg = "white space, or a character beyond ASCII, stands in it; copy it again"
            raise ValueError(msg)
        return value

    @field_validator("root_path")
    @classmethod
    def _is_path(cls, value: str | None) -> str | None:
        path = value and f"/{value.strip('/')}"
        if path and path != "/" and not PREFIX.fullmatch(path):
            msg = "it must be a path such as /voice"
            raise ValueError(msg)
        return path

    @field_validator("*", mode="before")
    @classmethod
    def _trimmed(cls, value: object, info: ValidationInfo) -> object:
        """White space around a value is no part of it, and a variable that is set to nothing is not set."""
        if isinstance(value, SecretStr):
            value = SecretStr(value.get_secret_value().strip())
            empty = not value.get_secret_value()
        else:
            value = value.strip() if isinstance(value, str) else value
            empty = value == ""
        may_be_none = type(None) in get_args(cls.model_fields[str(info.field_name)].annotation)
        return None if empty and may_be_none else value

    @property
    def prefix(self) -> str:
        """The path before every path of ours, as others see it; "" for none."""
        path = self.root_path if self.root_path is not None else urlsplit(self.public_url or "").path
        return path.rstrip("/")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


def redaction_for(settings: Settings) -> Redaction:
    """What records and log leave out."""
    return Redaction(
        digits=settings.redact_digits,
        arguments=frozenset(settings.redact_arguments),
        numbers=settings.private_numbers,
    )


def is_loopback(host: str) -> bool:
    """Whether a host name means this very machine: localhost, 127.0.0.0/8 or ::1."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
