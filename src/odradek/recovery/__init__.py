"""Making the metadata anew from what the brokers have, after the metadata store was put back from an older backup.

`survey` says what the stopped broker of a machine has (`report`), `plan` decides from all reports and from what the
store holds, `apply` writes it. Imports what brokers are made of; brokers know nothing of it.
"""
