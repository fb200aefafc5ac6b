"""The demo: the flights of 2013 through a topic of six partitions, read by two groups, and a proof that all arrived.

`flights` reads the data, `producing` and `reading` are the clients, `proof` decides, `stage` runs them together,
`display` shows it. Reaches the broker only over the wire (confluent-kafka). Imports `odradek.testing` to start one.
"""
