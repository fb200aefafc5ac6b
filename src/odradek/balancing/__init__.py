"""Which leaderships and replicas should be elsewhere, and why: plans over plain values; no I/O, clock or randomness.

The controller carries plans out, the command line explains them; both make them here. `model` is what a plan is made
from and of, `planner` makes it: `evacuation` empties brokers, `spreading` keeps copies in different racks, `sharing`
gives each broker its share, `leadership` moves leaderships; `waves` says how much of it may go on at a time.
Imports nothing of Odradek.
"""
