"""The option tables agree with themselves and with the documentation page."""

from dataclasses import fields
from pathlib import Path

import pytest

from odradek.config import TopicConfig
from odradek.config.broker import BROKER_OPTIONS
from odradek.config.document import page
from odradek.config.group import GROUP_OPTIONS
from odradek.config.option import Option
from odradek.config.topic import TOPIC_OPTIONS
from odradek.config.values import render

ROOT = Path(__file__).parents[2]
OPTIONS = [*BROKER_OPTIONS.values(), *TOPIC_OPTIONS.values(), *GROUP_OPTIONS.values()]


def test_the_documentation_page_is_what_the_tables_say() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text()
    assert written == page(), "run: python -m odradek.config.document > docs/configuration.md"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.scope.value} {option.name}")
def test_a_default_is_a_value_that_could_be_set(option: Option) -> None:
    text = render(option.default)
    assert text is None or text == "" or option.parse(text) == option.default


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.scope.value} {option.name}")
def test_an_option_is_explained_in_one_sentence(option: Option) -> None:
    assert option.doc.endswith(".")
    assert len(option.doc.splitlines()) == 1


def test_the_typed_topic_configuration_has_every_topic_option() -> None:
    assert {field.name for field in fields(TopicConfig)} == {name.replace(".", "_") for name in TOPIC_OPTIONS}


def test_each_topic_option_falls_back_to_a_broker_key_but_for_one_that_names_replicas() -> None:
    for option in TOPIC_OPTIONS.values():
        assert option.synonyms or option.name.endswith(".replication.throttled.replicas")
        assert all(synonym.name in BROKER_OPTIONS for synonym in option.synonyms)
