"""What classes are called: names on the command line, and legends of pictures."""

import unicodedata
from collections.abc import Mapping, Sequence

from ganctl.config.choices import near
from ganctl.errors import BadInput
from ganctl.training.experiment import Experiment

LISTED = 20  # names in a message


def names_of(experiment: Experiment) -> list[str]:
    """What the classes of a game with labels are called; their numbers where they have no names."""
    known = getattr(experiment.dataset, "class_names", None)
    return known or _numbers(experiment.training.game.codes["label"].classes)


def numbers_of(text: str, names: Sequence[str]) -> list[int]:
    """The classes that the command line lists, as in cat,dog or 3,7.

    Each is a name, or else a name but for its capital letters, or else the number of a class where no name is a number
    itself. Spaces around a name do not count; those inside it do, and so do commas.

    Args:
        text: names or numbers with commas between them.
        names: of all classes.

    Raises:
        BadInput: there is no such class.
    """
    known = _known(names)
    longest = 1 + max(name.count(",") for name in names)
    words, found, place = text.split(","), [], 0
    while place < len(words):
        for end in range(min(len(words), place + longest), place, -1):
            number = known.get(_plain(",".join(words[place:end])), known.get(_folded(",".join(words[place:end]))))
            if number is not None:
                found.append(number)
                place = end
                break
        else:
            raise BadInput(f"--label {text}: {_no_class(words[place].strip(), names)}")
    return found


def legend(names: Sequence[str], where: str, each: int = 1) -> str:
    """Which row or column is of which class, in words; empty where names say no more than numbers do.

    Args:
        names: of the classes, in the order of the rows or columns.
        where: rows, from the top; or columns, from the left.
        each: how many there are of each class.
    """
    several = f", {each} of each" if each > 1 else ""
    return "" if [*names] == _numbers(len(names)) else f"{where}{several}: {', '.join(names)}"


def _numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def _plain(name: str) -> str:
    """A name as one compares it: some systems write é as one letter and some as two."""
    return unicodedata.normalize("NFC", name).strip()


def _folded(name: str) -> tuple[str]:
    """A name without its capital letters; a tuple, so that it is no name itself."""
    return (_plain(name).casefold(),)


def _known(names: Sequence[str]) -> Mapping[str | tuple[str], int]:
    """The number of each class by all that it may be called; what several are called is left out."""
    called: dict[str | tuple[str], list[int]] = {}
    for number, name in enumerate(names):
        for key in (_plain(name), _folded(name)):
            called.setdefault(key, []).append(number)
    if not any(_plain(name).isdigit() for name in names):
        called |= {str(number): [number] for number in range(len(names))}
    return {key: numbers[0] for key, numbers in called.items() if len(numbers) == 1}


def _no_class(word: str, names: Sequence[str]) -> str:
    """What is wrong with a word that is no class."""
    last = len(names) - 1
    if [*names] == _numbers(len(names)):
        return f"the classes are 0 to {last}; name one, or several as in 0,{last}"
    more = f", ... ({len(names):,} classes)" if len(names) > LISTED else ""
    listed = ", ".join(names[:LISTED]) + more
    return f"{f'{word} is no class' if word else 'names no class'}; choose from {listed}{near(word, names)}"
