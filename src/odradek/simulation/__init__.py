"""A deterministic world for asyncio programs: event loop, network, disks and clocks, all drawn from one seed.

Owns nothing of a broker's logic and knows no Kafka; imports `odradek.host` alone. A program that takes its time from
the loop, and its files, wall clock and randomness from `odradek.host.Host`, runs in it unchanged.
"""

from odradek.simulation.clock import SimulatedClock
from odradek.simulation.disk import CrashKind, Disk, Fault, Operation
from odradek.simulation.errors import LimitReached, SimulatedCrash, Stuck
from odradek.simulation.files import SimulatedFiles
from odradek.simulation.loop import SimulatedLoop
from odradek.simulation.network import Network, NetworkOptions
from odradek.simulation.process import Process, ProcessFailed
from odradek.simulation.schedule import Schedule
from odradek.simulation.trace import Trace
from odradek.simulation.world import Machine, World

__all__ = [
    "CrashKind",
    "Disk",
    "Fault",
    "LimitReached",
    "Machine",
    "Network",
    "NetworkOptions",
    "Operation",
    "Process",
    "ProcessFailed",
    "Schedule",
    "SimulatedClock",
    "SimulatedCrash",
    "SimulatedFiles",
    "SimulatedLoop",
    "Stuck",
    "Trace",
    "World",
]
