"""A view's inputs from a real broker."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from odradek.kappa.definition import parse
from odradek.kappa.views.engine.errors import StateError
from odradek.kappa.views.running import Views
from odradek.testing import BrokerProcess
from tests.kappa.support.topics import Settings, delete_before, delete_topic, fill, make

pytestmark = pytest.mark.real_broker


@pytest.fixture(scope="module")
def settings(odradek_broker: BrokerProcess) -> Settings:
    return {"bootstrap.servers": odradek_broker.bootstrap}


def numbers(count: int) -> Iterator[tuple[str | None, str, int]]:
    for each in range(count):
        yield None, json.dumps({"n": each}), 0


def views_of(settings: Settings, topic: str, directory: Path, on_error: str = "fail") -> Views:
    text = f"""
topics: {{"{topic}": {{schema: {{n: int}}, lateness: 1h, on_error: {on_error}}}}}
views: {{counted: {{sql: 'SELECT count(*) AS c FROM "{topic}"'}}}}
"""
    return Views(settings, parse(text), directory, directory / "state", 256)


def counted(views: Views) -> int:
    ((found,),) = views.running["counted"].connection.execute("SELECT c FROM result").fetchall()
    return int(found)


def test_a_view_reads_what_is_new_and_goes_on_there_after_a_restart(settings: Settings, tmp_path: Path) -> None:
    make(settings, "view-inputs")
    fill(settings, "view-inputs", numbers(5))
    with closing(views_of(settings, "view-inputs", tmp_path)) as views:
        assert (views.catch_up(), views.catch_up(), counted(views)) == (5, 0, 5)
        fill(settings, "view-inputs", numbers(2))
        assert (views.catch_up(), counted(views)) == (2, 7)
    fill(settings, "view-inputs", numbers(3))
    with closing(views_of(settings, "view-inputs", tmp_path)) as views:
        assert (views.catch_up(), counted(views)) == (3, 10)


@pytest.mark.parametrize("count", [1, 9])
def test_a_topic_made_again_while_the_view_runs_is_noticed(settings: Settings, tmp_path: Path, count: int) -> None:
    topic = f"view-renewed-{count}"
    make(settings, topic)
    fill(settings, topic, numbers(5))
    with closing(views_of(settings, topic, tmp_path)) as views:
        views.catch_up()
        delete_topic(settings, topic)
        make(settings, topic)
        fill(settings, topic, numbers(count))
        with pytest.raises(StateError, match=f"{topic} was made again"):
            views.catch_up()
    with closing(views_of(settings, topic, tmp_path)) as views:
        assert (views.catch_up(), counted(views)) == (count, count)


def test_records_deleted_before_the_view_read_them_stop_it(settings: Settings, tmp_path: Path) -> None:
    make(settings, "view-gone")
    fill(settings, "view-gone", numbers(5))
    with closing(views_of(settings, "view-gone", tmp_path)) as views:
        views.catch_up()
        fill(settings, "view-gone", numbers(5))
        delete_before(settings, "view-gone", {0: 7})
        with pytest.raises(StateError, match="view-gone-0 begins at 7 by now and the view is at 5"):
            views.catch_up()


def test_a_bad_record_stops_a_view_or_is_left_out(settings: Settings, tmp_path: Path) -> None:
    make(settings, "view-bad")
    fill(settings, "view-bad", [(None, '{"n": 1}', 0), (None, "bad", 0), (None, '{"n": 2}', 0)])
    with closing(views_of(settings, "view-bad", tmp_path / "fail")) as views:
        with pytest.raises(StateError, match="view-bad-0 offset 1: the value is no JSON object"):
            views.catch_up()
        assert counted(views) == 0
    with closing(views_of(settings, "view-bad", tmp_path / "skip", "skip")) as views:
        assert (views.catch_up(), counted(views)) == (3, 2)
        assert views.running["counted"].inputs.skipped == 1
