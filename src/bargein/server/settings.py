"""Every setting of the server, from BARGEIN_* in the environment or from the command line. Vendors read their keys and
addresses themselves (vendors/common/vendor.py)."""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bargein.notices import RecordAudio
from bargein.recorder.redaction import Redaction
from bargein.server.log_formats import LogFormat
from bargein.server.places import is_place

PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")  # a path that a proxy may put before ours
NODE = "^[a-z0-9][a-z0-9-]{0,39}$"  # id of a node


def _from(*variables: str) -> Any:
    """None, unless one of the environment's variables says otherwise (the name of the field is the first in small)."""
    return Field(default=None, validation_alias=AliasChoices(*variables, variables[0].lower()))


def _host_name() -> str:
    """The host's name, as the id of a node."""
    return re.sub("[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:40].strip("-") or "node"


class Settings(BaseSettings):
    """Immutable once made. Times carry their unit. The text under a field is its line in docs/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix="BARGEIN_", frozen=True, extra="ignore", populate_by_name=True, use_attribute_docstrings=True
    )

    host: str = "127.0.0.1"
    """Address to listen on. Others than this machine's own need a token."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on. 0: any that is free."""
    token: SecretStr | None = None
    """The server's token, 16 characters or more. Once it is set, every caller needs it, or a token made with it."""
    page_token_s: int = Field(default=300, ge=1, le=86_400)
    """How long a token of `POST /token` lives."""
    origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Other sites whose pages may call, separated by commas."""
    max_calls: int = Field(default=64, ge=1, le=10_000)
    """Calls at a time."""
    keep_s: float = Field(default=10, ge=0, le=300)
    """How long a call whose connection is lost waits for another. 0: it ends at once."""
    drain_s: float = Field(default=3600, ge=0, le=86_400)
    """How long calls may end by themselves after SIGTERM, `POST /drain` or `bargein drain`. After SIGINT, 30 s at
    most."""
    workers: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = 1
    """Processes that take calls behind the one port; `auto`: one for each processor. Each is a node of its own, and
    `max_calls` and `max_connections` are those of each. Needs Linux."""
    node: str = Field(default_factory=_host_name, pattern=NODE, validate_default=True)
    """This server's id among the nodes of a fleet: small letters, digits and hyphens, at most 40. No two nodes have the
    same. The default is made of the host's name."""
    node_url: str | None = None
    """This node's own address for telephone vendors and pages: `https://...`. none: `/n/` and the node's id after the
    public address, for a balancer that knows the nodes."""
    node_group: str | None = None
    """Name that the workers of one server share. The supervisor sets it."""
    redis_url: SecretStr | None = None
    """Redis, by which several nodes are one fleet: `redis://[user:password@]host:port/0`, `rediss://...`, or
    `unix:///path`. none: this server is alone."""
    store_socket: Path | None = None
    """Unix socket of the supervisor, by which its workers are one fleet. The supervisor sets it."""
    signing_key: SecretStr | None = None
    """Signs short-lived tokens where no `BARGEIN_TOKEN`, or no Twilio secret, does. The supervisor sets it."""
    fleet_key: SecretStr | None = None
    """Encrypts what is remembered of calls for the nodes that go on with them: 16 characters or more, the same on each
    node. none: no encryption."""
    restore_s: float = Field(default=60, ge=1, le=3600)
    """How long after the death of its node a call may go on at another."""
    max_call_s: float | None = Field(default=None, ge=1, le=86_400)
    """The longest that a call lasts, where its agent's policy has no `max_call_ms`. Without both, a telephone call
    lasts four hours at most, and a page's call has no bound."""
    max_connections: int | None = Field(default=None, ge=16)
    """Connections open at a time. none: 4 for each call, and 256. Always fewer than the process may have files."""
    max_connections_per_address: int | None = Field(default=None, ge=1)
    """Connections of one address. none: half of all."""
    finished_kept: int = Field(default=50, ge=0, le=10_000)
    """Calls that `GET /calls` lists after their end."""
    record: Path | None = Path("calls")
    """Folder for the records of calls. Set to nothing, or `--no-record`: no records. `serve()` and `create_app()` write
    none unless told where."""
    record_keep: int = Field(default=1000, ge=1)
    """Records that are kept, the newest."""
    keep_days: float | None = Field(default=None, gt=0)
    """Age at which records are removed. none: they are kept at any age."""
    keep_gb: float | None = Field(default=None, gt=0)
    """Size of all records together, audio included, in 1,000,000,000 bytes: beyond it the oldest are removed. none: any
    size."""
    record_audio: RecordAudio = "off"
    """Record the audio of calls, both sides: `on` (unless a call refuses) or `consent` (where a call says so). An
    agent's own `record_audio` stands above it."""
    record_audio_mb: float = Field(default=512, ge=1)
    """Size of one call's audio, in 1,000,000 bytes; what comes later is not recorded."""
    redact_digits: bool = False
    """Keep digits that were said, written or keyed out of records, and codes out of the log."""
    redact_arguments: Annotated[tuple[str, ...], NoDecode] = ()
    """Names of tools' arguments whose values stay out of records, separated by commas."""
    private_numbers: bool = False
    """Name callers' numbers by other names in records, status and log."""
    webhook_url: str | None = None
    """Address that is told of each call that is over, with its measures and its messages as heard: `https://...`. Needs
    records and a secret."""
    webhook_secret: SecretStr | None = None
    """Signs the webhooks (Standard Webhooks): `whsec_` and 24 to 64 random bytes in base64. Two, separated by a comma,
    while one replaces the other."""
    log_format: LogFormat = "text"
    """The log's lines: `text`, or `json`, one JSON object a line."""
    otel: bool = False
    """Trace every call by OpenTelemetry, and send the metrics by OTLP. OTEL_EXPORTER_OTLP_ENDPOINT and the other
    standard variables say where."""
    otel_content: bool = False
    """The words of calls, and arguments and results of tools, stand in the traces, redacted as the records are."""
    agent: str = "guide"
    """The agent, by its name, as FILE.py:NAME, or as FILE.toml."""
    simulate: bool = False
    """Our simulators stand in for every vendor."""
    policy: str | None = None
    """A preset for every call: `instant`, `balanced` or `patient`. none: each agent's own."""
    lead_ms: float = Field(default=100, ge=20, le=1000)
    """How far the audio that was sent may be ahead of the caller's loudspeaker. A longer lead outlasts a worse network;
    a shorter one leaves less to take back at a cut."""
    keepalive_ms: float | None = Field(default=None, ge=20)
    """Pause after which a telephone gets a frame of silence. none: no such frames."""
    public_url: str | None = None
    """This server's address for the outside world, where a proxy stands before it: `https://...`."""
    root_path: str | None = None
    """What a proxy puts before every path, such as `/voice`. none: the path of `BARGEIN_PUBLIC_URL`."""
    ice_servers: Annotated[tuple[str, ...], NoDecode] = ()
    """STUN and TURN servers for calls by WebRTC, separated by commas: `stun:host:3478`, `turn:host:3478?transport=udp`,
    `turns:host:5349`. A page on the same network, or a server with a public address, needs none."""
    turn_username: str | None = None
    """Name for the TURN servers."""
    turn_password: SecretStr | None = None
    """Password for the TURN servers. Every page gets it; a `BARGEIN_TURN_SECRET` stays here."""
    turn_secret: SecretStr | None = None
    """Secret that is shared with the TURN server (coturn's `static-auth-secret`): each page gets a name and a password
    of its own, for an hour."""
    webrtc_address: str | None = None
    """This machine's public IP address, where a NAT leads all UDP ports to it. none: its own addresses."""
    twilio_auth_token: SecretStr | None = _from("TWILIO_AUTH_TOKEN")
    """Twilio's secret. Once it is set, every webhook of Twilio must be signed."""
    twilio_account_sid: str | None = _from("TWILIO_ACCOUNT_SID")
    """Twilio's account, for hang-ups and transfers."""
    twilio_number: str | None = _from("TWILIO_PHONE_NUMBER")
    """Number of yours at Twilio, from which `bargein call` calls: `+4930123456`."""
    call_allow: Annotated[tuple[str, ...], NoDecode] = ()
    """Beginnings of the telephone numbers that `POST /calls` may call, separated by commas: `+49,+43`. `*`: all. none:
    all where a `BARGEIN_TOKEN` is set, and no number without one."""
    twilio_url: str | None = None
    """Address of Twilio's REST API, if it is not Twilio's own."""
    sip: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses to take SIP calls at, separated by commas: `0.0.0.0:5060`, `0.0.0.0:5060;transport=tcp`,
    `0.0.0.0:5061;transport=tls`. none: no SIP."""
    sip_users: SecretStr | None = None
    """Who may call by SIP with a password, from anywhere: `user:password`, separated by commas."""
    sip_allow: Annotated[tuple[str, ...], NoDecode] = ()
    """Networks that may call by SIP without a password, separated by commas: `10.0.0.0/8`. Without these and without
    users, only this machine may."""
    sip_trunk: str | None = None
    """Account at a SIP provider: `sip:user@provider.example`. Calls to numbers go out through the provider."""
    sip_trunk_password: SecretStr | None = None
    """Password of the trunk's account."""
    sip_trunk_user: str | None = None
    """User of the trunk's digest, where it is not the account's user."""
    sip_trunk_proxy: str | None = None
    """Where requests to the trunk go first, where it is not the account's host: `sip:proxy.example;transport=tls`."""
    sip_register: bool = True
    """Stay registered at the trunk, so that it calls us."""
    sip_public: str | None = None
    """Our address for SIP peers (Contact and SDP), where a NAT stands between. none: the address of the interface."""
    sip_cert: Path | None = None
    """Certificate of SIP over TLS, with its chain: a PEM file."""
    sip_key: Path | None = None
    """Private key of that certificate: a PEM file. none: it stands in the certificate's file."""
    rtp_ports: str | None = None
    """UDP ports for the audio of SIP calls, two for each call: `10000-20000`. none: any that are free."""
    sip_far_buffer_ms: float = Field(default=60, ge=0, le=500)
    """Jitter buffer that is assumed at the far end of a SIP call: so much later it is heard than it comes there."""
    asterisk_url: str | None = None
    """Asterisk's HTTP server, by which it is dialled and its calls are transferred: `http://127.0.0.1:8088`. none:
    calls only come in, at `/asterisk/media`."""
    ari_user: str | None = None
    """User of Asterisk's REST interface (ARI)."""
    ari_password: SecretStr | None = None
    """The user's password."""
    asterisk_context: str = Field(default="bargein-transfer", pattern=r"^[A-Za-z0-9._-]{1,80}$")
    """Context of Asterisk's dialplan in which a call goes on after a transfer."""
    audiosocket: str | None = Field(default=None, pattern=r"^.+:\d{1,5}$")
    """Address to take Asterisk's AudioSocket calls at: `127.0.0.1:9092`. none: no AudioSocket."""
    audiosocket_ids: SecretStr | None = None
    """UUIDs with which AudioSocket calls may come from anywhere, separated by commas. Without them, only this machine
    may call."""

    @field_validator("redact_arguments", "call_allow", "sip", "sip_allow", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        parts = value.split(",") if isinstance(value, str) else value
        return (
            tuple(str(each).strip() for each in parts if str(each).strip())
            if isinstance(parts, list | tuple)
            else value
        )

    @field_validator("call_allow")
    @classmethod
    def _beginnings(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:  # one without a digit would be the beginning of every number
            if each != "*" and not re.fullmatch(r"\+?[0-9][0-9 ().\-/]{0,20}", each):
                msg = f"{each[:40]!r} is no beginning of a telephone number; write +49, or * for all"
                raise ValueError(msg)
        return value

    @field_validator("origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            return value
        origins = tuple(str(part).strip().rstrip("/").lower() for part in parts if str(part).strip())
        for origin in origins:
            if not is_place(origin):
                msg = f"{origin[:80]!r} is no site; write it as https://example.com"
                raise ValueError(msg)
        return origins

    @field_validator("ice_servers", mode="before")
    @classmethod
    def _ice(cls, value: object) -> object:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            return value
        urls = tuple(str(part).strip() for part in parts if str(part).strip())
        for url in urls:
            if not re.fullmatch(r"(stuns?|turns?):[^\s/,]+", url):
                msg = f"{url[:80]!r} is no STUN or TURN server; write it as turn:example.com:3478"
                raise ValueError(msg)
        return urls

    @field_validator("webrtc_address")
    @classmethod
    def _is_ip(cls, value: str | None) -> str | None:
        if value is not None:
            ipaddress.ip_address(value)  # raises ValueError
        return value

    @field_validator("public_url", "asterisk_url", "webhook_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            msg = "it must begin with https:// (or http://)"
            raise ValueError(msg)
        if value is not None and not is_place(value, path=True):
            msg = "it must name a host, and no port but a number"
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

    @classmethod
    def variable(cls, name: str) -> str:
        """The environment's variable of a setting."""
        alias = cls.model_fields[name].validation_alias
        return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"BARGEIN_{name.upper()}"

    @property
    def prefix(self) -> str:
        """The path before every path of ours, as others see it; "" for none."""
        path = self.root_path if self.root_path is not None else urlsplit(self.public_url or "").path
        return path.rstrip("/")

    @property
    def signing_secret(self) -> str:
        """Signs what no vendor's secret signs: a secret that all nodes of the fleet have, else this process's own."""
        for secret in (self.signing_key, self.fleet_key, self.token):
            if secret is not None:
                return secret.get_secret_value()
        return secrets.token_urlsafe(32)

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
