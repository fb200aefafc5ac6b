"""Bytes on the wire: request and response frames, the kio adapter, hand-written hot codecs, record batches.

Everything here is pure: bytes in, values out, and back. Imports nothing of Odradek but `config`, `observe`, `host`.
"""
