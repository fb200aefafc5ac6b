"""The helper process: `python -m odradek.log.cleaning.helper`. One job on its input, its outcomes on its output."""

import msgspec

from odradek.host.posix import PosixFiles
from odradek.host.processes import HelperInput, answer, become_helper, monotonic_s, rest
from odradek.log.cleaning.job import Failed, Job, Replaced
from odradek.log.cleaning.rewrite import clean
from odradek.log.cleaning.runner import next_step
from odradek.log.cleaning.throttle import Throttle

REST_S_MIN = 0.01
REST_S_MAX = 0.2
"""So soon at the latest it is noticed that the broker is gone."""


def main() -> None:
    """Returns when the job is done, has failed, or nobody waits for it any more."""
    become_helper()
    lines = HelperInput()
    line = lines.read_line()
    if not line:
        return
    job = msgspec.json.decode(line, type=Job)
    steps = clean(PosixFiles(), job)
    throttle = Throttle(job.bytes_per_second, monotonic_s())
    while not lines.has_ended:
        step = next_step(steps)
        if isinstance(step, int):
            _rest(throttle, step, lines)
            continue
        answer(msgspec.json.encode(step))
        if not isinstance(step, Replaced) or not lines.read_line():
            return


def _rest(throttle: Throttle, size: int, lines: HelperInput) -> None:
    rest_s = throttle.rest_s(size, monotonic_s())
    while rest_s > REST_S_MIN and not lines.has_ended:
        rest(min(rest_s, REST_S_MAX))
        rest_s = throttle.rest_s(0, monotonic_s())


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        pass
    except Exception as error:  # Whatever it is, the broker must hear of it: the partition is then left alone.
        answer(msgspec.json.encode(Failed("records", f"{type(error).__name__}: {error}")))
