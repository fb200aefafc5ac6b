"""Compaction: of each key only the last record stays, in Apache Kafka's terms (KIP-58, KIP-354, KIP-534).

What decides is plain: `cleanable` (which logs, which offsets), `grouping` (which segments become one), `offset_map`
(the last offset of each key, in bounded memory), `transactions` and `filtering` (which batches and records survive).
`rewrite` applies them to files, one step at a time, and is run by a helper process (`helper`) or, on a machine that has
no processes, in the executor (`runner`). `swap` puts what it wrote in the place of what it read so that a crash leaves
the old or the new. `cleaner` is the shell that the log manager owns.
"""
