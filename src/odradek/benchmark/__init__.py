"""Measures any Kafka-compatible broker with requests encoded beforehand, over plain sockets that cost little.

`frames` encodes requests and reads what matters of responses, `connection` is a blocking socket, `target` is the broker
that is measured, `drivers` keep requests in flight, `rows` say what is measured, `resources` what the broker's process
uses. The command `odradek bench` and the comparison in `bench/` of a checkout run the same rows.

Reaches the broker only over the wire; imports `odradek.wire` for record batches and nothing else of the broker.
"""
