"""A definition is read, or refused in one line that says where and what would do."""

from pathlib import Path

import pytest

from odradek.kappa.definition import Key, Topic, load, parse
from odradek.kappa.definition.document import DEPTH_MAX
from odradek.kappa.definition.errors import DefinitionError
from odradek.kappa.errors import KappaError

FLIGHTS = """\
topics:
  flights:
    schema:
      sched_dep: timestamp
      carrier: varchar
    event_time: sched_dep
  airlines: {format: csv, delimiter: ";", schema: {carrier: varchar}, key: {field: carrier, from: key}, table: true}
  clicks: {format: raw}
"""


def test_topics_are_read_with_their_defaults() -> None:
    topics = parse(FLIGHTS).topics
    assert topics["flights"] == Topic(schema={"sched_dep": "timestamp", "carrier": "varchar"}, event_time="sched_dep")
    assert topics["airlines"].key == Key("carrier", source="key")
    assert topics["airlines"].table
    assert topics["clicks"].format == "raw"


def test_a_key_may_be_just_its_column() -> None:
    text = "topics: {planes: {schema: {tailnum: varchar}, key: tailnum}}"
    assert parse(text).topics["planes"].key == Key("tailnum")


def test_an_empty_file_defines_nothing() -> None:
    assert parse("").topics == {}


REFUSED = [
    ("topics: {f: {format: avro}}", 1, "topics.f.format", "must be one of json, csv, raw, not 'avro'"),
    ("topics:\n  f:\n    formt: json\n", 3, "topics.f.formt", "is not known; known are format, schema, delimiter"),
    ("view: {}\n", 1, "view", "is not known; known are topics"),
    ("topics: {f: {format: raw, lateness: 10}}", 1, "topics.f.lateness", "must be text, not a whole number"),
    ("topics: {f: {format: raw, lateness: soon}}", 1, "topics.f.lateness", "must be a number and ms, s, m, h or d"),
    ("views: {v: {}}", 1, "views.v", "lacks sql"),
    ("topics: [1]", 1, "topics", "must be a map, not a list"),
    ("topics:\n  f:\n    table: 1\n", 3, "topics.f.table", "must be true or false, not a whole number"),
    ("topics:\n  f:\n    schema:\n      a: money\n", 4, "topics.f.schema.a", "'money' is no type; known are boolean,"),
    ("topics: {f: {schema: {a: 'decimal(40,2)'}}}", 1, "topics.f.schema.a", "is no type"),
    ("topics:\n  f:\n    schema: {a: int, A: int}\n", 3, "topics.f.schema.A", "is a again"),
    ("topics:\n  f:\n    schema: {_a: int}\n", 3, "topics.f.schema", "'_a' is no name of the form"),
    ("topics:\n  f: {}\n", 2, "topics.f", "lacks schema: a json topic needs its columns"),
    ("topics:\n  f: {format: raw, schema: {a: int}}\n", 2, "topics.f.schema", "a raw topic has no columns"),
    ("topics:\n  f:\n    schema: {a: int}\n    key: {from: key}\n", 4, "topics.f.key", "lacks field"),
    (
        "topics:\n  f:\n    schema: {a: int}\n    key: {field: a, from: both}\n",
        4,
        "topics.f.key.from",
        "one of key, value",
    ),
    ("topics:\n  f:\n    schema: {a: int}\n    key: [a]\n", 4, "topics.f.key", "must be a name or a map, not a list"),
    ("topics:\n  f:\n    schema: {carrier: int}\n    key: carier\n", 4, "topics.f.key", "did you mean carrier?"),
    (
        "topics:\n  f:\n    schema: {a: int}\n    event_time: a\n",
        4,
        "topics.f.event_time",
        "must be timestamp or epoch_ms",
    ),
    ("topics:\n  f:\n    schema: {a: int}\n    event_time: b\n", 4, "topics.f.event_time", "known are a"),
    ("topics: {f: {format: csv, schema: {a: int}, delimiter: '||'}}", 1, "topics.f.delimiter", "1 to 1 characters"),
    ("topics: {f: {format: raw, table: true}}", 1, "topics.f.table", "format must be json or csv"),
    ("topics:\n  f: {format: raw}\n  f: {format: raw}\n", 3, "topics.f", "is there twice"),
    ("topics: {f: {format: raw}\n", 2, "", "no YAML: expected ',' or '}'"),
    ("- 1", 1, "", "must be a map, not a list"),
    ("topics: {'a b': {format: raw}}", 1, "topics", "'a b' is no name of the form"),
]


@pytest.mark.parametrize(("text", "line", "field", "message"), REFUSED)
def test_a_mistake_is_told_with_its_line_and_field(text: str, line: int, field: str, message: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        parse(text)
    assert str(refused.value).startswith(f"kappa.yaml:{line}: {field}")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(DefinitionError, match=f"nested more than {DEPTH_MAX} deep"):
        parse("a: " + "[" * 100 + "]" * 100)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(KappaError, match=r"none\.yaml: No such file"):
        load(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"topics: \xe4")
    with pytest.raises(KappaError, match=r"latin\.yaml: is no UTF-8 text \(byte 8\)"):
        load(tmp_path / "latin.yaml")
