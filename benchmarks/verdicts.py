"""How often the verdicts of `compare-losses` err, and how often they find a true difference, by simulated studies.

    python benchmarks/verdicts.py > docs/statistics-simulation.md

Every study is drawn from a known truth and judged by `ganctl.report.statistics.compare`, the code that judges real
ones. Takes a few minutes.
"""

import argparse
from collections.abc import Callable

import numpy as np
from scipy import stats

from ganctl.report.statistics import LEVEL, compare, interval, power
from ganctl.shares import wilson

# One value of an arm at a seed, as a noise with mean 0 and standard deviation 1.
NOISE: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed (log-normal)": lambda rng, n: (rng.lognormal(0, 1, n) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e),
    "heavy tails (t, 3 degrees)": lambda rng, n: rng.standard_t(3, n) / np.sqrt(3),
    "a collapse in one seed of five": lambda rng, n: rng.normal(size=n) / 4 + 2 * (rng.random(n) < 0.2),
    "one seed of five fails": lambda rng, n: np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
}


def study(rng: np.random.Generator, seeds: int, arms: int, noise: str, shift: float) -> dict[str, dict[int, float]]:
    """Arms whose seeds share half of their variance; every arm but the first is better by `shift` (lower is better)."""
    shared = rng.normal(size=seeds)
    values = {}
    for arm in range(arms):
        drawn = shared + NOISE[noise](rng, seeds)
        values[f"arm {arm}"] = dict(enumerate(drawn - (shift if arm else 0.0)))
    return values


def errors(studies: int, seeds: int, arms: int, noise: str, seed: int = 0) -> int:
    """Studies, of `studies` without any true difference, with at least one verdict but "cannot tell"."""
    rng = np.random.default_rng(seed)
    found = (compare(study(rng, seeds, arms, noise, 0.0), "arm 0", True) for _ in range(studies))
    return sum(any(difference.verdict != "cannot tell" for difference in arms.values()) for arms in found)


def discoveries(studies: int, seeds: int, arms: int, effect: float, seed: int = 0) -> float:
    """Share of the truly better arms that are called better; `effect` is in standard deviations of the difference."""
    rng = np.random.default_rng(seed)
    shift = effect * np.sqrt(2)  # two independent unit noises make a difference of that deviation
    verdicts = [
        difference.verdict
        for _ in range(studies)
        for difference in compare(study(rng, seeds, arms, "normal", shift), "arm 0", True).values()
    ]
    return float(np.mean([verdict == "better" for verdict in verdicts]))


def coverage(studies: int, seeds: int, noise: str, seed: int = 0) -> float:
    """Share of bootstrap intervals that hold the true mean difference, 0."""
    rng = np.random.default_rng(seed)
    held = 0
    for _ in range(studies):
        found = interval(NOISE[noise](rng, seeds) - NOISE[noise](rng, seeds))
        assert found is not None
        held += found[0] <= 0 <= found[1]
    return held / studies


def looked(studies: int, looks: tuple[int, ...], seed: int = 0) -> int:
    """Studies without any true difference that have a verdict at one of several looks, as seeds are added."""
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(studies):
        arms = study(rng, max(looks), 2, "normal", 0.0)
        grown = (
            {arm: {seed: values[seed] for seed in range(count)} for arm, values in arms.items()} for count in looks
        )
        verdicts = (compare(so_far, "arm 0", True)["arm 1"].verdict for so_far in grown)
        found += any(verdict != "cannot tell" for verdict in verdicts)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    studies = parser.parse_args().studies
    print(f"# Simulated studies\n\n`python benchmarks/verdicts.py --studies {studies}`\n")
    print("## No true difference: studies with a verdict\n")
    print(f"At most {LEVEL:.0%} may have one. In brackets: Wilson's 95 % interval.\n")
    print("| noise | arms | seeds | studies with a verdict |\n| --- | --- | --- | --- |")
    for noise in NOISE:
        for arms, seeds in ((2, 5), (2, 6), (2, 10), (4, 8)):
            count = errors(studies, seeds, arms, noise)
            low, high = wilson(count, studies)
            print(f"| {noise} | {arms} | {seeds} | {count / studies:.1%} [{low:.1%}, {high:.1%}] |", flush=True)
    looks = (6, 8, 10, 12, 14)
    count = looked(studies, looks)
    low, high = wilson(count, studies)
    print(
        f"\nNormal noise, two arms, judged anew at {', '.join(map(str, looks))} seeds until something shows: ", end=""
    )
    print(f"{count / studies:.1%} [{low:.1%}, {high:.1%}].")
    print("\n## A true difference: how often it is found\n")
    print("The effect is the mean paired difference in its standard deviations; claimed is what `seeds_needed` uses.\n")
    print("| effect | arms | seeds | found | claimed |\n| --- | --- | --- | --- | --- |")
    for effect in (0.5, 1.0, 2.0, 3.0):
        for arms, seeds in ((2, 5), (2, 6), (2, 8), (2, 12), (2, 20), (4, 8)):
            found = discoveries(studies, seeds, arms, effect)
            print(f"| {effect:g} | {arms} | {seeds} | {found:.2f} | {power(effect, seeds, arms - 1):.2f} |", flush=True)
    print("\n## The 95 % bootstrap interval of a mean difference: how often it holds the truth\n")
    print("| noise | seeds | intervals that hold it | Student's interval |\n| --- | --- | --- | --- |")
    for noise in ("normal", "skewed (log-normal)", "heavy tails (t, 3 degrees)"):
        for seeds in (5, 6, 8, 10, 20):
            share = coverage(studies, seeds, noise)
            student = student_coverage(studies, seeds, noise)
            print(f"| {noise} | {seeds} | {share:.1%} | {student:.1%} |", flush=True)


def student_coverage(studies: int, seeds: int, noise: str, seed: int = 0) -> float:
    """The same of Student's t interval, to compare."""
    rng = np.random.default_rng(seed)
    drawn = np.array([NOISE[noise](rng, seeds) - NOISE[noise](rng, seeds) for _ in range(studies)])
    half = stats.t.ppf(1 - LEVEL / 2, seeds - 1) * drawn.std(axis=1, ddof=1) / np.sqrt(seeds)
    return float((np.abs(drawn.mean(axis=1)) <= half).mean())


if __name__ == "__main__":
    main()
