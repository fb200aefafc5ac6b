"""What is typed wrong is told in one line that says what is allowed, in no library's jargon."""

import shlex

import pytest

from tests.cli.conftest import Cli

JARGON = (
    "Invalid New",
    "ConfigResource",
    "Traceback",
    "OverflowError",
    "Local:",
    "Broker:",
    "Input should",
    "Value error",
)

USAGE = [
    ("topic create t -p 0", "--partitions 0: must be a whole number from 1 to 100000, or -1 for the broker's default"),
    ("topic create t -p -2", "or -1 for the broker's default"),
    ("topic create t -p 3000000000", "from 1 to 100000"),
    ("topic create t -p many", "it must be a whole number"),
    ("topic create t -r 0", "--replication-factor 0: must be a whole number from 1"),
    ("topic alter TOPIC -p 0", "--partitions 0: must be a whole number from 1 to 100000"),
    ("topic alter TOPIC -p 3000000000", "from 1 to 100000"),
    ("produce ''", "TOPIC must not be empty"),
    ("produce TOPIC -p 99999999999", "--partition 99999999999: must be a whole number from 0 to 2147483647"),
    ("produce TOPIC --timeout -1", "--timeout -1: must be seconds from 0 to"),
    ("produce TOPIC --timeout nan", "--timeout nan: must be seconds from 0 to"),
    ("produce TOPIC -z lzma", "'lzma' is not one of 'none', 'gzip', 'snappy', 'lz4', 'zstd'"),
    ("consume TOPIC --group ''", "--group must not be empty"),
    ("consume TOPIC --timeout -1", "--timeout -1: must be seconds from 0 to"),
    ("consume TOPIC --from 99999999999999999999", "must be a whole number from"),
    ("consume TOPIC -n 0", "it must be greater than or equal to 1"),
    ("group reset-offsets '' --topic TOPIC --to-latest", "GROUP must not be empty"),
    ("group reset-offsets g --topic TOPIC --to-offset 99999999999999999999", "must be a whole number from 0 to"),
    ("config describe", "Choose from: topic, broker, group"),
    ("config describe broker one", "a broker's name is its id"),
    ("config set topic '' a=b", "NAME must not be empty"),
    ("status -b 127.0.0.1:99999", "--bootstrap 127.0.0.1:99999: the port must be from 1 to 65535"),
]  # fmt: skip

REFUSED = [
    ("topic create bad/name", "1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'"),
    ("topic create t -p 20000", "at most 10,000 are made at a time"),
    ("topic create t -c retention.mss=1", 'did you mean "retention.ms"?'),
    ("topic create t -c zookeeper=1", "`odradek config describe topic NAME --all` lists all"),
    ("topic create t -c retention.ms=soon", "allowed is a whole number from -1 to 9223372036854775807"),
    ("topic create t -c cleanup.policy=shred", "allowed is a list of compact, delete"),
    ("topic delete no-such-topic", "no topic 'no-such-topic': see `odradek topic list`"),
    ("group delete no-such-group", "no group 'no-such-group': see `odradek group list`"),
    ("config describe topic no-such-topic", "no topic 'no-such-topic'"),
    ("config set topic no-such-topic retention.ms=5", "no topic 'no-such-topic'"),
    ("config set topic TOPIC retention.ms=soon", "allowed is a whole number from -1 to 9223372036854775807"),
    ("config describe broker 99", "no broker 99: there is 1"),
    ("config set broker 99999999999 log.retention.ms=5", "no broker 99999999999"),
    ("config set broker 1 log.retention.mss=5", 'did you mean "log.retention.ms"?'),
    ("status -b no-such-host.invalid:9092", "no broker at no-such-host.invalid:9092"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "command", "told"), [*((2, *case) for case in USAGE), *((1, *case) for case in REFUSED)]
)
def test_what_is_typed_wrong_is_told_with_what_is_allowed(
    cli: Cli, topic: str, code: int, command: str, told: str
) -> None:
    line = cli.fails(*shlex.split(command.replace("TOPIC", topic)), code=code)
    assert told in line
    assert not [word for word in JARGON if word in line]


@pytest.mark.parametrize(("name", "told"), [("bad/name", "1 to 249 of a-z"), ("x" * 250, "1 to 249 of a-z")])
def test_a_record_for_a_name_that_no_topic_can_have_is_refused_with_what_it_may_be(
    cli: Cli, name: str, told: str
) -> None:
    line = cli.fails("produce", name, stdin="a\n")
    assert told in line
    assert "Broker:" not in line
