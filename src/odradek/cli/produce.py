"""`odradek produce`: records from files, pipes or the keyboard, one a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from odradek.cli.checks import INT32_MAX, check_named, check_number, check_seconds
from odradek.cli.command import command
from odradek.cli.errors import CommandError, UsageError
from odradek.cli.formats import Format, FormatError, Headers, line_parser, unescape
from odradek.cli.options import Topic
from odradek.cli.output import write_json
from odradek.cli.pairs import list_pairs, parse_pairs
from odradek.cli.producing import RecordSender
from odradek.cli.session import Session

app = typer.Typer(add_completion=False)


class Compression(StrEnum):
    """Codecs of record batches."""

    NONE = "none"
    GZIP = "gzip"
    SNAPPY = "snappy"
    LZ4 = "lz4"
    ZSTD = "zstd"


class Acks(StrEnum):
    """Who must have a record before it counts as delivered."""

    ALL = "all"
    LEADER = "1"
    NONE = "0"


@command(app)
def produce(
    session: Session,
    topic: Topic,
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="`-` or none: stdin.")] = None,
    form: Annotated[Format, typer.Option("--format", "-F", help="What a line is.")] = Format.RAW,
    key: Annotated[str | None, typer.Option("--key", "-k", help="The key of every record.")] = None,
    key_separator: Annotated[
        str | None, typer.Option("--key-separator", "-K", metavar="TEXT", help=r"Lines are KEY TEXT VALUE; \t works.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="NAME=VALUE", help="On every record; repeatable.")
    ] = None,
    partition: Annotated[int | None, typer.Option("--partition", "-p", min=0, help="Instead of by key.")] = None,
    null: Annotated[
        str | None, typer.Option("--null", metavar="TEXT", help="A key or value that is TEXT becomes null.")
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Each file is one record.")] = False,
    compression: Annotated[Compression, typer.Option("--compression", "-z")] = Compression.NONE,
    acks: Annotated[Acks, typer.Option("--acks")] = Acks.ALL,
    timeout: Annotated[float, typer.Option("--timeout", metavar="S", help="Give a record up after this.")] = 30.0,
    setting: Annotated[
        list[str] | None, typer.Option("-X", metavar="KEY=VALUE", help="A librdkafka setting; repeatable.")
    ] = None,
) -> None:
    """Store records, one from each line of FILE or stdin."""
    check_named("TOPIC", topic)
    check_number("--partition", partition, 0, INT32_MAX)
    check_seconds("--timeout", timeout)
    if form is Format.JSON and (key_separator is not None or null is not None):
        raise UsageError("--key-separator and --null do not go with --format json: its objects have keys and nulls")
    if key is not None and key_separator is not None:
        raise UsageError("give --key or --key-separator, not both")
    separator = unescape(key_separator) if key_separator is not None else None
    parse = line_parser(form, separator, null.encode() if null is not None else None)
    config = _config(compression, acks, timeout) | parse_pairs(setting, "-X")
    headers: Headers = [(name, value.encode()) for name, value in list_pairs(header, "--header")]
    sender = RecordSender(
        session.producer(**config),
        topic,
        partition=partition,
        key=key.encode() if key is not None else None,
        headers=headers,
    )
    with sender:
        for path in files or [Path("-")]:
            _send_file(sender, path, parse, whole)
    if session.json:
        write_json({"topic": topic, "records": sender.delivered, "failed": sender.failed})
    if sender.failed:
        total = sender.delivered + sender.failed
        raise CommandError(f"{sender.failed:,} of {total:,} records were not stored: {sender.first_error}")


def _config(compression: Compression, acks: Acks, timeout_s: float) -> dict[str, Any]:
    return {
        "compression.type": compression.value,
        "acks": acks.value,
        # Order and no duplicates cost nothing with acks=all and are impossible without.
        "enable.idempotence": acks is Acks.ALL,
        "message.timeout.ms": round(timeout_s * 1000),
        "linger.ms": 0 if sys.stdin.isatty() else 20,
        # Only failures are reported back: a call into Python for each stored record would halve the speed.
        "delivery.report.only.error": True,
    }


def _send_file(sender: RecordSender, path: Path, parse: Any, whole: bool) -> None:
    with _opened(path) as stream:
        if whole:
            sender.send(parse(stream.read()))
            return
        for number, line in enumerate(stream, start=1):
            try:
                sender.send(parse(line[:-1] if line.endswith(b"\n") else line))
            except FormatError as error:
                name = "stdin" if str(path) == "-" else path
                raise CommandError(f"{name} line {number}: {error}; the lines before it were stored") from None


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if str(path) == "-":
        if sys.stdin.isatty():
            sys.stderr.write("one record a line; Ctrl-D ends\n")
        yield sys.stdin.buffer
    else:
        with path.open("rb") as stream:
            yield stream
