"""What all commands share: where the broker is, errors, exit codes, completion, plain output."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from odradek.broker.options import StartOptions
from odradek.cli import quick_start
from odradek.cli.starting import run_broker
from tests.cli.conftest import Cli

COMMANDS = ["start", "status", "topic", "produce", "consume", "group", "config", "cluster", "log", "bench", "demo"]
COMMANDS += ["sql", "import", "snapshot", "view", "kappa"]
NOBODY = Cli("127.0.0.1:1")


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["topic", "list"], ["topic", "create", "t"], ["produce", "t"], ["consume", "t"], ["group", "list"]],
)
def test_no_broker_says_how_to_start_one(arguments: list[str]) -> None:
    assert NOBODY.fails(*arguments) == "odradek: no broker at 127.0.0.1:1: start one with `odradek start`"


def test_the_option_wins_over_the_environment_on_either_side_of_the_command(cli: Cli) -> None:
    assert cli.ok("status", "-b", cli.bootstrap).out
    assert NOBODY.ok("--bootstrap", cli.bootstrap, "--json", "status").json["brokers"]
    assert "127.0.0.1:2" in cli.fails("-b", "127.0.0.1:3", "status", "-b", "127.0.0.1:2")


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:", ":9092"])
def test_a_bad_address_is_wrong_usage(address: str) -> None:
    assert "HOST:PORT" in NOBODY.fails("status", "-b", address, code=2)


def test_help_shows_every_command() -> None:
    shown = NOBODY.ok("--help").out
    assert all(name in shown for name in COMMANDS)
    assert "\033" not in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    assert "Usage: odradek " + name in NOBODY.ok(name, "--help").out


def test_a_mistyped_command_suggests_the_nearest() -> None:
    assert "'topic'" in NOBODY.fails("topci", "list", code=2)
    assert "'list'" in NOBODY.fails("topic", "lits", code=2)


def test_named_alone_a_group_shows_its_help_and_ends_with_2() -> None:
    result = NOBODY("topic")
    assert result.code == 2
    assert "describe" in result.out + result.err


def test_tables_in_a_pipe_are_plain_and_complete(cli: Cli, topic: str) -> None:
    lines = cli.ok("topic", "list").out.splitlines()
    assert lines[0].split() == ["TOPIC", "PARTITIONS", "REPLICAS", "OFFSETS", "HELD"]
    assert [line.split() for line in lines if topic in line] == [[topic, "1", "1", "0"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["topic", "describe"], "topic"), (["consume"], "topic"), (["group", "describe"], "group")],
)
def test_names_complete_from_the_broker(cli: Cli, topic: str, group: str, words: list[str], expected: str) -> None:
    cli.ok("group", "reset-offsets", group, "-t", topic, "--to-earliest", "--execute")
    name = topic if expected == "topic" else group
    line = " ".join(["odradek", *words, name[:-4]])
    completed = cli(_ODRADEK_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) + 1))
    assert name in completed.out.split()


def test_completion_without_a_broker_is_silent() -> None:
    completed = NOBODY(_ODRADEK_COMPLETE="complete_bash", COMP_WORDS="odradek topic describe x", COMP_CWORD="3")
    assert (completed.out.strip(), completed.err) == ("", "")


def run_start(*arguments: str, tmp_path: Path) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "odradek", "start", "--data-dir", str(tmp_path / "data"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--set", "num.partitionz=3"], 1, "num.partitions"),
        (["--set", "num.partitions=many"], 1, "many"),
        (["--config", "/no/such.toml"], 1, "/no/such.toml"),
        (["--set", "novalue"], 2, "KEY=VALUE"),
        (["--log-level", "LOUD"], 2, "WARNING"),
        (["--log-format", "xml"], 2, "json"),
        (["--node-id", "x"], 2, "--node-id"),
        (["--workers", "0"], 2, "--workers"),
        (["--workers", "65"], 2, "64"),
        (["--workers", "3", "--listen", "127.0.0.1:65534"], 1, "beyond 65535"),
        (["--lisen", "x"], 2, "--listen"),
        (["--set", "zookeeper.connect=z"], 1, "docs/configuration.md"),
        (["--listen", "127.0.0.1:99999"], 1, "--listen 127.0.0.1:99999: the port must be from 0 to 65535"),
        (["--listen="], 1, "--listen : must be HOST:PORT"),
        (["--listen", "a:1,b:2"], 1, "must be HOST:PORT"),
        (["--listen", "0.0.0.0:0"], 1, "--advertise"),
        (["--advertise", "host:70000"], 1, "--advertise host:70000: the port must be from 0 to 65535"),
    ],
)
def test_a_broker_that_cannot_start_says_why_in_one_line(
    arguments: list[str], code: int, told: str, tmp_path: Path
) -> None:
    ended, err = run_start("--listen", "127.0.0.1:0", *arguments, tmp_path=tmp_path)
    assert ended == code
    assert err.count("\n") == 1
    assert told in err


def test_an_address_in_use_says_what_to_do(cli: Cli, tmp_path: Path) -> None:
    code, err = run_start("--listen", cli.bootstrap, tmp_path=tmp_path)
    assert code == 1
    assert "--listen" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_start_prints_where_it_is_and_stops_cleanly(number: int, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "odradek", "start", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    block = [process.stdout.readline() for _ in range(5)]
    assert block[0].startswith("Odradek is ready on 127.0.0.1:")
    assert str(tmp_path) in block[1]
    assert "odradek produce" in block[2]
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["start"], StartOptions()),
        (["start", "--listen", "h:1", "--node-id=7"], StartOptions(listen="h:1", node_id=7)),
        (["start", "--workers", "3"], StartOptions(workers=3)),
        (["start", "--set", "a=b=c", "--set=d=e"], StartOptions(overrides={"a": "b=c", "d": "e"})),
        (["start", "--config", "f", "--log-level", "debug"], StartOptions(config_file="f", log_level="DEBUG")),
    ],
)
def test_an_ordinary_start_is_parsed_at_once(words: list[str], expected: StartOptions) -> None:
    assert quick_start.parse(words) == (expected, False)
    assert quick_start.parse(["--json", *words]) == (expected, True)
    assert quick_start.parse([*words, "--json"]) == (expected, True)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["topic", "list"],
        ["start", "--help"],
        ["start", "--listen"],
        ["start", "--listen", "--json"],
        ["start", "--node-id", "x"],
        ["start", "--workers", "0"],
        ["start", "--workers", "many"],
        ["start", "--set", "novalue"],
        ["start", "--log-level", "LOUD"],
        ["start", "extra"],
        ["-b", "x", "start"],
    ],
)
def test_what_is_not_ordinary_is_left_to_the_full_command(words: list[str]) -> None:
    assert quick_start.parse(words) is None


@pytest.mark.parametrize(
    "words",
    [
        ["--set", "num.partitions=x"],
        ["--set", "num.partitions = 0", "--set", "num.partitions=x"],
        ["--set", "nope="],
        ["--listen", "127.0.0.1:99999"],
        ["--advertise", "nowhere"],
        ["--node-id", "99999999999"],
        ["--workers", "2", "--listen", "127.0.0.1:65535"],
        ["--metrics", "host:x"],
        ["--config", "/no/such.toml"],
    ],
)
def test_both_parsers_of_start_tell_a_mistake_alike(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from odradek.cli.app import run

    plain = quick_start.parse(["start", *words])
    assert plain is not None
    quick = run_broker(plain[0], as_json=False), capsys.readouterr()
    assert (run(["start", *words]), capsys.readouterr()) == quick
    assert quick[0] == 1
    assert quick[1].err.count("\n") == 1


def test_both_parsers_of_start_know_the_same_options() -> None:
    import typer

    from odradek.cli.start import app

    names = {name for parameter in typer.main.get_command(app).params for name in parameter.opts}
    assert set(quick_start.FIELDS) == names - {"--json", "--help"}
    assert set(quick_start.FIELDS.values()) == set(StartOptions.__dataclass_fields__) - {"metadata_socket"}


def test_starting_a_broker_loads_neither_typer_nor_clients_nor_hypothesis(tmp_path: Path) -> None:
    report = "import sys; print(*(m for m in ('typer', 'rich', 'pydantic', 'confluent_kafka') if m in sys.modules))"
    code = "import sys, atexit; sys.argv = ['odradek', 'start', '--config', '/no/such']\nfrom odradek.cli import main\n"
    code += f"atexit.register(lambda: exec({report!r}))\nmain()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout == "\n"
    assert ended.returncode == 1
