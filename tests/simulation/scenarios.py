"""The scenarios that can be run by name and seed."""

from collections.abc import Callable
from random import Random

from odradek.simulation import CrashKind
from tests.simulation.broker_damage import BrokerDamage
from tests.simulation.broker_expiry import ExpiryScript
from tests.simulation.broker_lives import BrokerLives
from tests.simulation.broker_script import Script
from tests.simulation.broker_steps import Kind, run_steps
from tests.simulation.broker_topics import BurstScript, RetentionScript, StartScript, TopicsScript
from tests.simulation.cluster_faults import STORE_FAULTS
from tests.simulation.cluster_lives import ClusterLives
from tests.simulation.compacted_lives import run_compacted_lives
from tests.simulation.echo import run_echo_world
from tests.simulation.follower_lives import FollowerLives
from tests.simulation.gray_lives import TROUBLES, run_trouble
from tests.simulation.log_lives import run_lives
from tests.simulation.readers import Readers
from tests.simulation.recovery_lives import RESTORINGS, run_restoring
from tests.simulation.replicated_lives import ReplicatedLives

CRASHES, RECOVERIES = 4, 3
LOG_STEPS_MAX = 250
RECOVERY_STEPS_MAX, SHORT_STEPS_MAX = 15, 80
"""Some lives are to end while they recover from the one before."""


def log(seed: int) -> str:
    """A log manager that dies four times, at any I/O step, of either kind of crash."""
    return run_lives(seed, crashes_of(seed), replay=replay_line("log", seed))[0]


def log_recovery(seed: int) -> str:
    """A log manager that loses its power again and again, and dies while it recovers in between."""
    chance = Random(f"{seed} crashes")
    kinds: tuple[CrashKind, CrashKind] = ("process", "power")
    crashes: list[tuple[int, CrashKind]] = []
    for _ in range(RECOVERIES):
        crashes.append((chance.randint(1, LOG_STEPS_MAX), "power"))
        crashes.append((chance.randint(1, RECOVERY_STEPS_MAX), chance.choice(kinds)))
        crashes.append((chance.randint(1, SHORT_STEPS_MAX), "power"))
    return run_lives(seed, crashes, replay=replay_line("log-recovery", seed))[0]


def crashes_of(seed: int) -> list[tuple[int, CrashKind]]:
    """Step and kind of each, some while recovering from the one before."""
    chance = Random(f"{seed} crashes")
    kinds: tuple[CrashKind, CrashKind] = ("process", "power")
    steps_max = [RECOVERY_STEPS_MAX if chance.random() < 0.25 else LOG_STEPS_MAX for _ in range(CRASHES)]
    return [(chance.randint(1, most), chance.choice(kinds)) for most in steps_max]


def compacted_log(seed: int) -> str:
    """A compacted log whose manager dies four times, at any I/O step, of either kind of crash."""
    return run_compacted_lives(seed, crashes_of(seed), replay=replay_line("compacted-log", seed))


def broker(seed: int) -> str:
    """A broker that flushes as Kafka does, killed and cut off from power under producers and consumers."""
    return BrokerLives(seed, synced=False, replay=replay_line("broker", seed)).run()


def synced_broker(seed: int) -> str:
    """The same with log.flush.interval.messages=1: nothing acknowledged may ever be lost."""
    return BrokerLives(seed, synced=True, replay=replay_line("synced-broker", seed)).run()


def broker_steps(seed: int) -> str:
    """A scripted broker that dies or loses its power at one step of I/O: another one for each seed."""
    return _steps(seed, "broker-steps", ("process", "power"), flushed=False)


def synced_broker_steps(seed: int) -> str:
    """The same with log.flush.interval.messages=1."""
    return _steps(seed, "synced-broker-steps", ("power", "process"), flushed=True)


def broker_faults(seed: int) -> str:
    """A scripted broker one of whose operations fails (EIO), or whose disk is full from there on for a while."""
    return _steps(seed, "broker-faults", ("eio", "enospc"), flushed=False)


def synced_broker_faults(seed: int) -> str:
    """The same with log.flush.interval.messages=1."""
    return _steps(seed, "synced-broker-faults", ("eio", "enospc"), flushed=True)


def broker_expiry(seed: int) -> str:
    """A broker that forgets offsets and producers when it is time, and dies at one step of I/O."""
    return _steps(seed, "broker-expiry", ("process", "power"), flushed=True, script=ExpiryScript)


def readers(seed: int) -> str:
    """Fetch sessions and slow readers on a broker that nothing happens to."""
    return Readers(seed, replay=replay_line("readers", seed)).run()


def broker_topics(seed: int) -> str:
    """Topics come and go on a broker that dies at one step of I/O."""
    return _steps(seed, "broker-topics", ("process", "power"), flushed=False, script=TopicsScript)


def broker_start(seed: int) -> str:
    """A broker that dies at one step of I/O of its first starts and stops."""
    return _steps(seed, "broker-start", ("process", "power"), flushed=False, script=StartScript)


def broker_retention(seed: int) -> str:
    """Retention shortens the log of a broker that dies at one step of I/O."""
    return _steps(seed, "broker-retention", ("power", "process"), flushed=False, script=RetentionScript)


def broker_bursts(seed: int) -> str:
    """Many producers at once on a broker that flushes every message, and dies at one step of I/O."""
    return _steps(seed, "broker-bursts", ("power",), flushed=True, script=BurstScript)


def broker_damage(seed: int) -> str:
    """Bits of a segment, or of what is derived from one, flip while a broker is down."""
    return BrokerDamage(seed, replay=replay_line("broker-damage", seed)).run()[0]


def follower(seed: int) -> str:
    """A follower of leaders that change and lose records, killed and cut off from power."""
    return FollowerLives(seed, synced=False, replay=replay_line("follower", seed)).live()


def synced_follower(seed: int) -> str:
    """The same with flush.messages=1: what a leader was told is there survives."""
    return FollowerLives(seed, synced=True, replay=replay_line("synced-follower", seed)).live()


def replicated(seed: int) -> str:
    """Three brokers of which one at a time dies and comes back, under producers with acks=all."""
    return ReplicatedLives(seed, flushed=False, replay=replay_line("replicated", seed)).live()


def flushed_replicated(seed: int) -> str:
    """The same with flush.messages=1."""
    return ReplicatedLives(seed, flushed=True, replay=replay_line("flushed-replicated", seed)).live()


def cluster(seed: int) -> str:
    """Three to seven brokers, faults of every kind, and clients that check what they are told."""
    return ClusterLives(seed, flushed=False, replay=replay_line("cluster", seed)).live()


def flushed_cluster(seed: int) -> str:
    """The same with log.flush.interval.messages=1: any number of brokers may lose their power."""
    return ClusterLives(seed, flushed=True, replay=replay_line("flushed-cluster", seed)).live()


def cluster_store(seed: int) -> str:
    """A cluster whose metadata store is in trouble while brokers die, are cut off and get other replicas."""
    return ClusterLives(seed, flushed=False, faults=STORE_FAULTS, replay=replay_line("cluster-store", seed)).live()


def gray(seed: int) -> str:
    """A leader that lives and does its work badly, or is cut off: another kind of trouble for each seed."""
    return run_trouble(seed, TROUBLES[seed % len(TROUBLES)], replay=replay_line("gray", seed))


def restored_store(seed: int) -> str:
    """The metadata store goes back to a backup while all brokers are down: another course of it for each seed."""
    return run_restoring(seed, RESTORINGS[seed % len(RESTORINGS)], replay=replay_line("restored-store", seed))


def _steps(seed: int, name: str, kinds: tuple[Kind, ...], *, flushed: bool, script: type[Script] = Script) -> str:
    return run_steps(seed, kinds, flushed=flushed, script=script, replay=replay_line(name, seed))


def echo(seed: int) -> str:
    """No Kafka at all: the simulation itself."""
    return run_echo_world(seed)


def replay_line(scenario: str, seed: int) -> str:
    return f"python -m tests.simulation.run --scenario {scenario} --seed {seed}"


SCENARIOS: dict[str, Callable[[int], str]] = {
    "broker": broker,
    "synced-broker": synced_broker,
    "broker-steps": broker_steps,
    "synced-broker-steps": synced_broker_steps,
    "broker-expiry": broker_expiry,
    "broker-topics": broker_topics,
    "broker-bursts": broker_bursts,
    "broker-damage": broker_damage,
    "broker-retention": broker_retention,
    "broker-start": broker_start,
    "broker-faults": broker_faults,
    "synced-broker-faults": synced_broker_faults,
    "log": log,
    "log-recovery": log_recovery,
    "compacted-log": compacted_log,
    "readers": readers,
    "follower": follower,
    "synced-follower": synced_follower,
    "replicated": replicated,
    "flushed-replicated": flushed_replicated,
    "cluster": cluster,
    "flushed-cluster": flushed_cluster,
    "cluster-store": cluster_store,
    "gray": gray,
    "restored-store": restored_store,
    "echo": echo,
}
"""By name: seed -> digest of the run; whatever it raises is what was found."""
