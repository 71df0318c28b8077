"""The two ways a command ends early that are not bugs."""


class BadInput(ValueError):
    """The user asked for something that cannot be.

    The message is one line: what came, what is allowed, what to do. The command line prints it and exits 2.
    """


class Interrupted(Exception):
    """The user stopped a run or a comparison; what was done is saved. The command line exits 130."""


class RunFailed(RuntimeError):
    """A run ended without a result; its folder says why. The command line exits 1."""


class NotFinite(RunFailed):
    """A run's numbers left the range of floating point."""
