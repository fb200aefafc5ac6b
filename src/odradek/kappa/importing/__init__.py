"""Batch data becomes a log: rows in the order of event time, each exactly once however often the import is killed.

`options` says what is asked, `source` reads it through DuckDB, `encoding` and `ordering` make the one query whose rows
are the records, `partitioner` and `pace` decide where and when, `state` is what a resumed import must know, `topic`
asks the brokers, `sending` is the loop at the producer's edge, and `run` puts them together.
"""
