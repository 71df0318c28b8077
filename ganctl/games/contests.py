"""Several contests side by side in one game."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ganctl.games.contest import Contest

YARDSTICKS = ("yardstick/j_d", "yardstick/minus_log_d_fake", "yardstick/log_one_minus_d_fake")


def after_turn(contests: Mapping[str, Contest]) -> Callable[[], None] | None:
    """A function that constrains the discriminators of several contests after their turn; None if none has to be."""
    found = [each.after_turn for each in contests.values() if each.after_turn]

    def all_of_them() -> None:
        for each in found:
            each()

    return all_of_them if found else None


def merged(observed: Mapping[str, Tensor], contests: Mapping[str, Contest]) -> dict[str, Tensor]:
    """Means of scores, logits and yardsticks over several contests, under the tags of a game with one contest.

    Curves, diagnoses and reports thus read every game alike. If one contest has no name, its tags are already those,
    and the result is empty.
    """
    if "" in contests:
        return {}
    found = {}
    for tag in ("score/real", "score/fake", "logit/real", "logit/fake", *YARDSTICKS):
        group, _, leaf = tag.partition("/")
        values = [observed[f"{group}/{name}{leaf}"] for name in contests if f"{group}/{name}{leaf}" in observed]
        if values:
            found[tag] = torch.stack(values).mean()
    return found
