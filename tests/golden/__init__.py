"""Stored bytes of a request for every API and version that is advertised, and what a real broker answers to each.

Requests are written with kio, from `data_cases`, `topic_cases`, `config_cases` and `group_cases`; `requests/` holds
their bytes. What only a running broker knows (a topic's id, a member's id, a session) is in them as a stand-in of
the same length. After an intended change of a case, `python -m tests.golden.write` stores the bytes anew.
"""
