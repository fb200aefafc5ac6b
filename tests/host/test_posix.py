"""What the operating system tells that the tests of the log do not see."""

import threading

from odradek.host.posix import PosixFiles


def test_a_thread_that_waits_has_slept() -> None:
    files = PosixFiles()
    before = files.sleeps()
    threading.Event().wait(0.001)
    assert files.sleeps() > before
