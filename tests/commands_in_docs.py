"""The commands that README.md and the pages of docs/ give: how they are found, and how they are made small.

A command is a line of a block of code or a piece of inline code that begins with `ganctl` or `python`.
Words in capitals, such as RUN and DIR, stand for a file or a folder of the reader.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
# These pages say what was measured, by commands that take hours. Their training commands are built and not trained.
MEASUREMENTS = {"diagnosis", "evaluation", "games", "jg-ablation", "log", "losses", "performance", "reliability",
                "statistics", "statistics-simulation"}  # fmt: skip
LONG_STUDIES = {"experiment=seed_ablation", "experiment=losses_2d"}
# What stands in the text for a value that the reader fills in, and a value that will do.
STAND_INS = {
    "<game>": "cgan", "<seed>": "0", "experiment=NAME": "experiment=dcgan",
    "experiment=...": "experiment=dcgan",
    "--metrics ...": "--metrics kid", "ring8|grid25": "ring8",
    "penalty.weight=W": "penalty.weight=1", "seed=0..5": "seed=0", "seed=0..9": "seed=0",
}  # fmt: skip
BUDGET = ["steps=2", "batch_size=8", "threads=1", "log_every=1"]


@dataclass(frozen=True)
class Command:
    """One command of one page.

    Attributes:
        page: the name of the page without its ending, such as README or compare.
        words: the command's words, the program first; placeholders as they stand.
    """

    page: str
    words: tuple[str, ...]

    @property
    def verb(self) -> str:
        """train, sample, ...; empty for `ganctl --help`."""
        return self.words[1] if len(self.words) > 1 and not self.words[1].startswith("-") else ""

    @property
    def text(self) -> str:
        """The command on one line, for the name of a test."""
        return shlex.join(self.words)


def pages() -> list[Path]:
    """README.md and every page of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def lines_of(text: str) -> list[str]:
    """Every shell line in `text`: those of fenced blocks, then of indented blocks and inline code."""
    prose, lines = [], []
    for number, part in enumerate(re.split(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)):
        if number % 3 == 0:
            prose.append(part)
        elif number % 3 == 1:
            language = part
        elif language == "sh":
            lines += part.replace("\\\n", " ").splitlines()
    for part in prose:
        lines += re.findall(r"^    ((?:ganctl|python) .*)$", part, re.MULTILINE)
        lines += [" ".join(code.split()) for code in re.findall(r"`((?:ganctl|python)\s[^`]*)`", part)]
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def found_in(text: str, page: str) -> list[Command]:
    """The commands in `text` that begin with ganctl or python. `...` at the end of one leaves out what may follow."""
    commands = []
    for line in lines_of(text):
        for part in line.split("&&"):
            for name, value in STAND_INS.items():
                part = part.replace(name, value)
            words = [word for word in shlex.split(part, comments=True) if word != "..."]
            if words and words[0] in ("ganctl", "python"):
                commands.append(Command(page, tuple(words)))
    return commands


def all_commands() -> list[Command]:
    """Every command of every page."""
    return [command for page in pages() for command in found_in(page.read_text(), page.stem)]


def files_of(text: str) -> dict[str, str]:
    """The files of Python that `text` asks the reader to write, by name."""
    return dict(re.findall(r"Write `(\w+\.py)`.*?```python\n(.*?)```", text, re.DOTALL))


def snippets_of(text: str) -> list[str]:
    """The blocks of Python in `text` that are not files to write."""
    return [
        block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if block not in files_of(text).values()
    ]


def is_refused(command: Command) -> bool:
    """Whether the page shows the command as one that is refused."""
    return command.words[-1] == "(refused)"


def is_trained(command: Command) -> bool:
    """Whether the command is one that the tests train at a tiny budget."""
    return (
        command.words[0] == "ganctl"
        and command.verb in ("train", "compare-losses")
        and not {"--resume", "--verify", "--show-config", "--help"} & {*command.words}
        and command.page not in MEASUREMENTS
        and not LONG_STUDIES & {*command.words}
        and not is_refused(command)
    )


def is_planned(command: Command) -> bool:
    """Whether the command says what to train: by its words alone, and not by a run folder."""
    return (
        command.words[0] == "ganctl"
        and command.verb in ("train", "compare-losses")
        and not {"--resume", "--verify", "--help"} & {*command.words}
        and not is_refused(command)
    )


def reduced(words: tuple[str, ...]) -> tuple[str, ...]:
    """The same command at a budget of seconds: two steps, two seeds, few samples, the cheapest features."""
    verb = words[1] if len(words) > 1 else ""
    if verb == "evaluate":
        text = re.sub(r" --num \d+", "", shlex.join(words)) + " --num 50"
        given = {"--features": "pixels", "--metrics": "kid"}
        return (*shlex.split(text), *(part for pair in given.items() if pair[0] not in words for part in pair))
    if verb not in ("train", "compare-losses") or {"--resume", "--verify", "--show-config", "--help"} & {*words}:
        return words
    kept = [word for word in words if not re.match(r"(steps|epochs|batch_size|threads|log_every|jobs|name)=", word)]
    metrics = [word for word in kept if word.startswith("metrics=")]
    if verb == "compare-losses":
        kept = [word for word in kept if not word.startswith("seed=")]
        kept.append("seed=0" if metrics else "seed=0,1")
    kept = ["evaluate_every=2" if word.startswith("evaluate_every=") else word for word in kept]
    if metrics:
        # Only the classifier finds a class, and points are looked at by no network.
        other = "label_agreement" in metrics[0] or "data=ring8" in kept
        kept += ["evaluate_num=50", *([] if other else ["features=pixels"])]
    return (*kept, *BUDGET)


def shrunk(words: tuple[str, ...]) -> tuple[str, ...]:
    """The same command with the smallest networks of the kind that it trains; unchanged if its arms differ in them."""
    from ganctl.config.load import load
    from ganctl.studies import planning

    given = list(words[2:])
    if any("model=" in word and ("," in word or word.startswith(("compare.arms", "tune"))) for word in given):
        return words
    config = load(given) if words[1] == "train" else planning.plan(given).base
    model = config.to_dict()["model"]
    small = {
        "width": "4",
        "hidden": "8",
        "generator_widths": "[16]",
        "discriminator_widths": "[16]",
        "encoder_widths": "[16]",
    }
    phase = ["game.pretrain_steps=1"] if config.to_dict()["game"].get("pretrain_steps") else []
    return (*words, *(f"model.{key}={value}" for key, value in small.items() if model.get(key)), *phase)


def unique(commands: list[Command], *, small: bool = False) -> list[Command]:
    """The commands without those that are the same as an earlier one, or become the same when they are `reduced`."""
    return [*{(reduced(each.words) if small else each.words): each for each in reversed(commands)}.values()][::-1]
