"""The ways a command ends early that are not bugs, and how an error is said."""

LONGEST = 2000  # characters of a message


def printable(text: str) -> str:
    """The text on one line of bounded length, with escapes for whatever a terminal would obey instead of showing.

    Messages quote what came, from the command line or from somebody else's file, and that may be anything.
    """
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} [...] {text[-LONGEST // 2 :]}"
    if text.isprintable():
        return text
    text = text.replace("\n", " ")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def one_line(error: BaseException) -> str:
    """An error of anybody's in one line: of a file its name and what the system said, else its kind and its words."""
    if isinstance(error, OSError) and error.strerror:
        return printable(f"{error.filename or 'a file of the run'}: {error.strerror}")
    return printable(f"{type(error).__name__}: {error}")


class BadInput(ValueError):
    """The user asked for something that cannot be.

    The message is one line: what came, what is allowed, what to do. The command line prints it and exits 2.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class Interrupted(Exception):
    """The user stopped a run or a comparison; what was done is saved. The command line exits 130."""


class RunFailed(RuntimeError):
    """A run ended without a result; its folder says why. The command line exits 1."""

    def __str__(self) -> str:
        return printable(super().__str__())


class NotFinite(RunFailed):
    """A run's numbers left the range of floating point."""
