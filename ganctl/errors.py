"""The errors that end a command and are not bugs, and how messages are printed."""

LONGEST = 2000  # characters of a message


def printable(text: str) -> str:
    """The text on one line of bounded length, with control characters escaped.

    Messages quote the command line and files of others, which may contain anything.
    """
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} [...] {text[-LONGEST // 2 :]}"
    if text.isprintable():
        return text
    text = text.replace("\n", " ")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def one_line(error: BaseException) -> str:
    """Any error as one line: for a file error the file's name and the system's message, else its type and message."""
    if isinstance(error, OSError) and error.strerror:
        return printable(f"{error.filename or 'a file of the run'}: {error.strerror}")
    return printable(f"{type(error).__name__}: {error}")


class BadInput(ValueError):
    """The user's input is wrong.

    The message is one line: what came, what is allowed, what to do. The command line prints it and exits 2.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class Interrupted(Exception):
    """The user stopped a run or a comparison, which is saved. The command line exits 130."""


class RunFailed(RuntimeError):
    """A run ended without a result; its folder says why. The command line exits 1."""

    def __str__(self) -> str:
        return printable(super().__str__())


class NotFinite(RunFailed):
    """A number of a run became nan or infinite."""
