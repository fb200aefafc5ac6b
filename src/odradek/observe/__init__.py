"""What a broker tells the outside about itself: metrics in Prometheus' text format, health, log lines.

`metrics` is a registry without I/O, `http` serves it, `logging` formats log lines, `process` reads what the operating
system knows of this process. Imports nothing of Odradek.
"""
