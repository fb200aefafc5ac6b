"""How long each thing may take: every wait of the client has its bound here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds."""

    open_s: float = 15.0
    """For etcd to answer at the start of a broker."""
    answer_s: float = 2.0
    """For one member to say how it is, to accept a watch, to renew a lease; then another one is asked."""
    repeat_s: float = 6.0
    """For what may be asked of one member after the other: reads, leases, compaction."""
    leader_s: float = 2.0
    """For another leader to be elected when the present one cannot be reached; then a follower will do."""
    patience_s: float = 10.0
    """For a watch or a keep-alive to find a member that serves it; then whoever iterates is told."""
    pause_s: float = 0.1
    """Between two tries."""
    ping_s: float = 6.0
    """Between two pings of a connection that says nothing; etcd drops clients that ping more often than every 5."""
    ping_answer_s: float = 3.0
    """Then the connection is taken for dead."""
    close_s: float = 1.0
    """For requests under way when the store is closed."""
