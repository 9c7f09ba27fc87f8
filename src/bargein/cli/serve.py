"""`bargein serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bargein.cli.run_command import run_command

AgentOption = Annotated[
    str | None, typer.Option(help="guide, cascade, voxtral, openai-realtime, FILE.py, FILE.py:NAME, FILE.toml")
]
SimulateOption = Annotated[bool, typer.Option("--simulate", help="Our simulators stand in for every vendor: no key")]
HostOption = Annotated[str | None, typer.Option(help="Address to listen on; others than 127.0.0.1 need BARGEIN_TOKEN")]
PortOption = Annotated[int | None, typer.Option(help="Port to listen on; 0: any that is free")]
PolicyOption = Annotated[str | None, typer.Option(help="instant, balanced or patient, for every call")]
RecordOption = Annotated[Path | None, typer.Option(help="Folder for what happened in each call")]
NoRecordOption = Annotated[bool, typer.Option("--no-record", help="Keep no record of calls")]
KeepDaysOption = Annotated[float | None, typer.Option(help="Remove records that are older; default: of no age")]
KeepGBOption = Annotated[float | None, typer.Option("--keep-gb", help="Remove the oldest records beyond this size")]
RecordAudioOption = Annotated[
    str | None, typer.Option(help="Record the audio of calls: on, or consent (where a call says so); default: off")
]
RedactDigitsOption = Annotated[bool, typer.Option("--redact-digits", help="Keep digits out of records")]
PrivateNumbersOption = Annotated[
    bool, typer.Option("--private-numbers", help="Keep callers' numbers out of records and log")
]
OriginOption = Annotated[list[str] | None, typer.Option(help="Another site whose pages may call; may be repeated")]
RootPathOption = Annotated[str | None, typer.Option(help="The path that a proxy puts before every path: /voice")]
DrainOption = Annotated[
    float | None, typer.Option(help="Seconds after SIGTERM in which calls may end by themselves (3600)", min=0)
]
WorkersOption = Annotated[str | None, typer.Option(help="Processes that take calls; auto: one for each processor")]
AudioSocketOption = Annotated[str | None, typer.Option(help="Address for Asterisk's AudioSocket: 127.0.0.1:9092")]
SipOption = Annotated[
    list[str] | None,
    typer.Option(help="Address to take SIP calls at: 0.0.0.0:5060[;transport=tcp|tls]; may be repeated"),
]
RtpPortsOption = Annotated[str | None, typer.Option(help="UDP ports for the audio of SIP calls: 10000-20000")]
OtelOption = Annotated[bool, typer.Option("--otel", help="Trace calls; OTEL_EXPORTER_OTLP_ENDPOINT says where to")]
LogFormatOption = Annotated[str | None, typer.Option(help="text, or json: one JSON object a line")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Say more in the log")]


def serve(
    agent: AgentOption = None,
    host: HostOption = None,
    port: PortOption = None,
    policy: PolicyOption = None,
    record: RecordOption = None,
    no_record: NoRecordOption = False,
    keep_days: KeepDaysOption = None,
    keep_gb: KeepGBOption = None,
    record_audio: RecordAudioOption = None,
    redact_digits: RedactDigitsOption = False,
    private_numbers: PrivateNumbersOption = False,
    origin: OriginOption = None,
    root_path: RootPathOption = None,
    simulate: SimulateOption = False,
    drain_s: DrainOption = None,
    workers: WorkersOption = None,
    sip: SipOption = None,
    rtp_ports: RtpPortsOption = None,
    audiosocket: AudioSocketOption = None,
    otel: OtelOption = False,
    log_format: LogFormatOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Serve calls, and the page to make them with.

    Every option but --verbose is also a BARGEIN_* setting; --no-record is BARGEIN_RECORD set to nothing.
    """
    run_command(
        verbose=verbose,
        no_record=no_record,
        agent=agent,
        host=host,
        port=port,
        policy=policy,
        record=record,
        keep_days=keep_days,
        keep_gb=keep_gb,
        record_audio=record_audio,
        redact_digits=redact_digits or None,
        private_numbers=private_numbers or None,
        origins=tuple(origin or ()) or None,
        root_path=root_path,
        simulate=simulate or None,
        drain_s=drain_s,
        workers=workers,
        sip=",".join(sip or ()) or None,
        rtp_ports=rtp_ports,
        audiosocket=audiosocket,
        otel=otel or None,
        log_format=log_format,
    )
