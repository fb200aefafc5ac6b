"""Members that fall silent, stop polling or meet their double."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.clients.absent import libraries_with
from tests.clients.polling import error_of
from tests.clients.test_groups import PARTITIONS, closing, poll_until, share_evenly
from tests.clients.vocabulary import Client, Fenced, Membership, Sent


@contextmanager
def frozen_member(library: str, bootstrap: str, group: str, topic: str) -> Iterator[None]:
    """A process that owned every partition and was stopped in the middle of its life."""
    arguments = [library, bootstrap, group, topic, str(PARTITIONS)]
    command = [sys.executable, "-m", "tests.clients.frozen_member", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"owns everything\n"
            process.send_signal(signal.SIGSTOP)
            yield
        finally:
            process.kill()


def test_a_silent_member_loses_its_partitions(
    bootstrap: str, client: Client, new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    topic, group = new_topic(PARTITIONS), new_group()
    with frozen_member(client.name, bootstrap, group, topic):
        heir = client.join(Membership(group, (topic,)))
        with closing(heir):
            poll_until([heir], lambda _: heir.assignment() == set(range(PARTITIONS)))


@pytest.mark.parametrize("client", libraries_with("fencing"), indirect=True)
def test_a_static_member_that_meets_its_double_is_fenced(
    client: Client, new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    """It hears so when it polls or commits, as its library goes."""
    topic, group = new_topic(PARTITIONS), new_group()
    client.produce(topic, [Sent(b"x")])
    first = client.join(Membership(group, (topic,), instance_id="one"))
    with closing(first):
        poll_until([first], lambda seen: len(seen) == 1)
        second = client.join(Membership(group, (topic,), instance_id="one"))
        with closing(second):
            poll_until([second], lambda _: second.assignment() == set(range(PARTITIONS)))

            def poll_and_commit() -> None:
                first.poll()
                first.commit()

            error_of(poll_and_commit, Fenced)
            client.produce(topic, [Sent(b"for the second")])
            poll_until([second], lambda seen: b"for the second" in [record.value for record in seen])


def test_a_member_that_stops_polling_leaves(
    client: Client, new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    topic, group = new_topic(PARTITIONS), new_group()
    lazy = client.join(Membership(group, (topic,), max_poll_interval_ms=2000, session_timeout_ms=2000))
    heir = client.join(Membership(group, (topic,)))
    with closing(lazy, heir):
        poll_until([lazy, heir], share_evenly([lazy, heir]))
        poll_until([heir], lambda _: heir.assignment() == set(range(PARTITIONS)))
