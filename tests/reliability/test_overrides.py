"""Whatever stands behind `ganctl train` and `ganctl compare-losses`: an answer, or one line that helps."""

import re
import socket
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from ganctl.config.choices import choices, groups
from ganctl.config.load import load
from ganctl.config.metrics import METRIC_NAMES, OUTCOMES
from ganctl.config.schema import SCHEMAS
from ganctl.errors import printable
from tests.conftest import TINY, ganctl
from tests.reliability.calling import Ending, complaint, listing, run
from tests.reliability.long import BROKEN, Found, paced

QUICK = 10.0  # seconds that an answer may take
# What Hydra and OmegaConf say to programmers.
FOREIGN = ("AnyNode", "ListConfig", "Could not override", "Error merging", "converted to", "Invalid value assigned")

ROOT_KEYS = [key for key, value in load([]).to_dict().items() if not isinstance(value, dict)]
OPTION_KEYS = sorted(
    {f"{group}.{key}" for group, schemas in SCHEMAS.items() for kind in schemas.values() for key in vars(kind())}
    | {f"compare.{key}" for key in vars(load([]).compare)}
)
CHOICES = sorted({name for group in groups() for name in choices(group)})

NUMBERS = [
    "0", "1", "2", "3", "7", "20", "0.5", "-1", "-0.0", "1e-8", "1e308", "1e309", "-1e400", "nan", "-nan", "inf",
    "-inf", "99999999999999999999", "9" * 400, "0x10", "1_000", "1e", "00", "+3", "2147483648",
    "-9223372036854775809",
]  # fmt: skip
WRONG = [
    "", "null", "true", "False", "[]", "[1,2]", "[[1],[2]]", "[a", "a]", "{}", "{a:1}", "{a:{b:[1,{c:2}]}}", "{a",
    "'", '"', "'x'", '"y"', "'x", "a b", " ", "\\", "\\,", "a\\=b", "a=b", ",", "1,", ",1", "1,2", "1,2,3",
    "range(1,4)", "range(3)", "interval(0,1)", "choice(1,2)", "glob(*)", "glob(*,exclude=a)", "shuffle(1,2)",
    "sort(3,1)", "tag(t,1)", "int(3.5)", "str(1)", "json_str('[1]')", "float(nan)", "extend_list(1)", "???",
    "${seed}", "${oc.env:HOME}", "${oc.env:NO_SUCH}", "${oc.decode:1}", "${hydra:job.name}", "${a.b}", "${seed", "${",
    "$", "${${seed}}", "${output_dir}", "_target_", "{_target_:os.system}", "'{_target_: os.system}'",
    "!!python/object/apply:os.system [id]", "&a [*a]", "@x", "%s%s%n", "é", "日本", "\u202e", "\u2028", "\x00",
    "\x1b[31m", "\r", "\n", "a\nb", "\udcff", "🙂", "x" * 5000, "1," * 500 + "1", "[" * 300, "[" * 60 + "]" * 60,
    "../..", "../elsewhere", "/", "/dev/null", "~", "a/b", ".", "..", "-", "--", "#", "a:b", "*",
]  # fmt: skip
PREFIXES = ["", "", "", "", "", "", "+", "++", "~", "+~", "@", " "]
WRONG_KEYS = [
    "", "los", "model.dropuot", "a.b.c", "hydra.run.dir", "hydra", "hydra/launcher", "hydra.sweep.dir", "_target_",
    "model._target_", "defaults", "loss@x", "loss@:y", "optim@data", "model.", ".model", "model..x", "seed.x",
    "steps.a.b", "name.x", "model", "compare", "compare.published", "compare.published.a", "plugins", "loss/x",
    "experiment.x", "package", "a[0]", "metrics[0]", "model.generator_widths[0]", "model.generator_widths.0", "é",
    "$x", "${x}", "seed ", "\x00", "\udc80", "data/x",
]  # fmt: skip
# Whole words that a strategy of parts would hardly ever make.
SPECIAL = [
    "tune=['optim.lr=0.1,0.2']", "tune=['optim.lr=0.1']", "tune=['seed=1,2']", "tune=[\"\x00=1,2\"]",
    "tune=['a=1,2']", "tune=5", "compare.arms=['loss=minimax','loss=hinge']", "compare.arms=[a,b]",
    "compare.arms=['','']", "compare.arms=[\"loss='\",b]", "compare.arms=['loss=minimax name=x','loss=hinge']",
    "compare.arms=['~loss','+a=1']", "compare.arms=['seed=1','seed=2']", "compare.arms=['loss=minimax --','-x']",
    "compare.seeds=[1,1]", "compare.seeds=[a]", "compare.published={a:{b:1}}", "compare.published={a:1}",
    "compare.published={1:{2:3}}", "compare.tune_seeds=[0]", "plugins=[no_such]", "plugins=no_such",
    "plugins=['../x']", "plugins=['']", "plugins=[a.b]", "plugins=['.a']", "plugins=[1]", "plugins=['\x00']",
    "loss.name=typo", "data=folder", "data.root=no/such", "data.root=/dev/null", "data.image_size=4096",
    "metrics=fid,kid", "metrics=fid,", "metrics=[fid,typo]", "seed=0,1", "seed=a,b", "seed=range(3)",
    "loss=minimax,hinge", "model.dropout=0.1,0.2", "name=<b>x</b>", "name=con", "name=..", "device=cuda:99",
    "device=cuda:99999999999", "output_dir=\udcff", "output_dir=\x00", "output_dir=", "output_dir=null",
    "output_dir=[a]", "-x", "--no-such", "--resume", "--resume=no/such", "--", "-", "optim.lr=0.1,0.2", "game=acgan",
    "game=aae", "game=infogan", "model=dcgan", "model.width=99999", "model.latent_dim=999999",
    "model.generator_widths=[999999,999999]", "batch_size=1", "batch_size=999999999", "data=grid25", "penalty=r1",
    "experiment=dcgan", "experiment=aae_mnist", "experiment=null", "loss=null", "~experiment", "~loss=hinge",
    "precision=bf16",
]  # fmt: skip


def _values(key: str) -> st.SearchStrategy[str]:
    allowed = [*choices(key)] if key in groups() else []
    if key in ("compare.outcome", "metrics"):
        allowed = [*OUTCOMES, *METRIC_NAMES]
    kinds = [st.sampled_from(NUMBERS), st.sampled_from(WRONG), st.sampled_from(CHOICES), st.text(max_size=12)]
    return st.one_of(*([st.sampled_from(allowed)] * 3 if allowed else []), *kinds)


@st.composite
def words_of_grammar(draw: st.DrawFn) -> str:
    """PREFIX KEY=VALUE, each of them now and then a wrong one."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.sampled_from(SPECIAL))
    if kind == 1:
        key = draw(st.sampled_from(WRONG_KEYS))
    elif kind <= 4:
        key = draw(st.sampled_from([*groups()]))
    elif kind <= 7:
        key = draw(st.sampled_from(OPTION_KEYS))
    else:
        key = draw(st.sampled_from(ROOT_KEYS))
    value = draw(_values(key))
    if draw(st.integers(0, 7)) == 0:
        value = f"{value},{draw(_values(key))}"
    return draw(st.sampled_from(PREFIXES)) + key + draw(st.sampled_from(["="] * 14 + ["", " = ", "=="])) + value


ANY = st.one_of(*[words_of_grammar()] * 6, st.sampled_from(SPECIAL), st.text(max_size=30))


@st.composite
def overrides(draw: st.DrawFn) -> list[str]:
    """Up to five words; sometimes one of them twice."""
    words = draw(st.lists(ANY, max_size=4))
    if words and draw(st.integers(0, 9)) == 0:
        words.append(words[0])
    return words


# What is asked for: the composed configuration alone, or all that happens before the first file is written.
COMMANDS = st.sampled_from(
    ["train --show-config"] * 4 + ["compare-losses --show-config"] * 3 + ["train"] * 2 + ["compare-losses"]
)


def stop_before_writing(patch: pytest.MonkeyPatch) -> None:
    """Whatever passes every check ends with 0 instead of training."""
    from ganctl.commands import compare_losses, train
    from ganctl.studies import workers

    def stop(*_: object, **__: object) -> None:
        raise SystemExit(0)

    def unreachable(*_: object) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    prepared = compare_losses._prepared
    patch.setattr(train, "new_path", stop)
    patch.setattr("ganctl.studies.run.evaluator_of", stop)  # trains a classifier
    patch.setattr(compare_losses.CellEvaluators, "prepare", stop)
    patch.setattr(compare_losses, "_prepared", lambda *given: (prepared(*given), stop()))
    patch.setattr(workers, "start_server", lambda: None)
    patch.setattr(socket.socket, "connect", unreachable)


def names_what_came(words: list[str], line: str) -> bool:
    """Whether the line has a key, a value or the beginning of one of the words, or names a setting of theirs."""
    whole = [word[:20] for word in words if word.strip()]
    parts = [part for word in words for part in re.split(r"[=+~@,\s.\[\]{}'\"]+", word[:200]) if part]
    own = re.match(rf"ganctl: (arm .*: )?({'|'.join([*groups(), *ROOT_KEYS])})[=.:]", line)
    blank = any(not word.strip() for word in words) and "'" in line
    return (
        not parts
        or blank
        or own is not None
        or "No such option" in line
        or ": holds no run" in line  # of the current folder, where an empty word is one
        or any(printable(part[:20]) in line for part in [*parts, *whole])
    )


def fault_of(words: list[str], ending: Ending, changed: bool) -> str | None:
    """What is wrong with the answer; None: nothing."""
    fault = complaint(ending, {0, 2})
    if fault is None and changed:
        fault = "wrote into the current folder"
    if fault is None and ending.seconds > QUICK and "data.root=/" not in words:  # which is looked through, all of it
        fault = f"took {ending.seconds:.1f} s"
    if fault is None and ending.code == 2 and any(each in ending.err for each in FOREIGN):
        fault = f"speaks to programmers: {ending.err!r}"
    if fault is None and ending.code == 2 and not names_what_came(words, ending.err):
        fault = f"does not say what came: {ending.err!r}"
    return fault


def answer(command: str, words: list[str], cwd: Path) -> tuple[Ending, str | None]:
    """Runs the command on the words, and says what is wrong with how it ended."""
    before = listing(cwd)
    name, *flags = command.split()
    quick = [word for word in TINY if not word.startswith("model.")] if not flags else []
    ending = run(name, *flags, *quick, *words, cwd=cwd)
    return ending, fault_of(words, ending, listing(cwd) != before)


def each_with_each() -> list[list[str]]:
    """Every key, of every choice that has it, with every value of the lists above."""
    keys = [[f"{key}="] for key in [*ROOT_KEYS, *groups(), *(f"compare.{each}" for each in vars(load([]).compare))]]
    for group, schemas in SCHEMAS.items():
        choice_of = {key: name for name, schema in schemas.items() if name in choices(group) for key in vars(schema())}
        keys += [[f"{group}={name}", f"{group}.{key}="] for key, name in choice_of.items()]
    return [[*words, key + value] for *words, key in keys for value in [*NUMBERS, *WRONG]]


def all_of_each(lists: list[list[str]], cwd: Path, found: Found) -> Counter[str]:
    """Answers to these lists, by how they ended."""
    seen: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        stop_before_writing(patch)
        for number, words in enumerate(paced(lists, "every key with every value")):
            command = ("train", "compare-losses", "train --show-config")[number % 3]
            ending, fault = answer(command, words, cwd)
            seen["accepted" if ending.code == 0 else "refused in one line"] += fault is None
            if fault is not None:
                found.append(f"ganctl {command} {words!r}: {fault}")
    return seen


def fuzz(count: int, cwd: Path, collect: Found | None = None) -> Counter[str]:
    """Answers to `count` generated lists, the same ones every time, by how they ended.

    Raises:
        AssertionError: one is not as it should be, unless faults are to be collected.
    """
    seen: Counter[str] = Counter()

    @seed(8)
    @settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=[*HealthCheck],
        phases=[Phase.generate] if collect is not None else [Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(COMMANDS, overrides())
    def ask(command: str, words: list[str]) -> None:
        ending, fault = answer(command, words, cwd)
        seen["lists"] += 1
        seen["accepted" if ending.code == 0 else "refused in one line"] += fault is None
        if fault is None:
            return
        if collect is None:
            raise AssertionError(f"ganctl {command} {words}: {fault}")
        collect.append(f"ganctl {command} {words!r}: {fault}")

    with pytest.MonkeyPatch.context() as patch:
        stop_before_writing(patch)
        ask()
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("lists", [25, pytest.param(500, marks=pytest.mark.long)])
def test_every_list_of_overrides_is_taken_or_refused_in_one_line(tmp_path, lists):
    seen = fuzz(lists, tmp_path)
    assert seen["accepted"] > lists / 20 and seen["refused in one line"] > lists / 2


@pytest.mark.slow
@pytest.mark.parametrize("every", [307, pytest.param(37, marks=pytest.mark.long)])
def test_every_key_takes_a_wrong_value_or_refuses_it_in_one_line(tmp_path, every):
    found, tried = Found(), each_with_each()[::every]
    seen = all_of_each(tried, tmp_path, found)
    assert not found
    # Some keys take some of them: 845 of all 10,788.
    assert seen["accepted"] > len(tried) / 29 and seen["refused in one line"] > len(tried) / 2


@pytest.mark.slow
@pytest.mark.parametrize("every", [41, pytest.param(7, marks=pytest.mark.long)])
def test_a_process_of_its_own_answers_in_one_line_too(tmp_path, every):
    possible = [word for word in [*SPECIAL, *(f"name={text}" for text in WRONG)] if "\x00" not in word]
    for word in possible[::every]:
        done = ganctl("train", "--show-config", word, cwd=tmp_path)
        ending = Ending(done.returncode, done.stdout, done.stderr, 0.0)
        assert fault_of([word], ending, changed=[*tmp_path.iterdir()] != []) is None, word


def long_form() -> dict[str, int | str]:
    """10,000 generated lists, and every key with every value."""
    import tempfile

    found = Found()
    with tempfile.TemporaryDirectory() as folder:
        seen = fuzz(10_000, Path(folder), found)
        each = all_of_each(each_with_each(), Path(folder), found)
    more = {f"every key with every value, {how}": count for how, count in each.items()}
    return {"lists": 0, **seen, **more, BROKEN: len(found)}
