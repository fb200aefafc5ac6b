"""The demo: the flights of 2013 through a topic of six partitions, read by two groups, and a proof that all arrived.

`flights` reads the data, `producing` and `reading` are the clients, `proof` decides, `stage` runs them together,
`display` shows it. The cluster's demo has the same clients and proof: `troupe` are its brokers, `cluster_stage` is what
happens to them, `cluster_display` shows it. Reaches brokers only over the wire (confluent-kafka) and by the command
line. Imports `odradek.testing` to start them.
"""
