"""Attacks on a real broker process while a well-behaved client is served.

Each test does to a broker what no client should, through sockets of its own, and then asks the `Siege` whether the
promises still hold: the process lives, its memory and descriptors are bounded, what was stored is byte for byte the
same, its log has no traceback, and the bystander was answered throughout, without an error. Nothing is timed: how long
the bystander waited is shown (`pytest -rP`), not asserted.

ODRADEK_ATTACK_SCALE multiplies how much is thrown (1 unless set).
"""
