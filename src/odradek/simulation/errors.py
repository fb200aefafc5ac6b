"""What a simulation raises on its own account."""


class SimulatedCrash(BaseException):
    """The simulated process died here. Not an Exception: code that handles errors must not survive its own death."""


class Stuck(Exception):
    """Nothing is left to run and what was waited for has not happened: a deadlock of the simulated programs."""


class LimitReached(Exception):
    """The run used up its steps: a livelock, or a limit set too low."""
