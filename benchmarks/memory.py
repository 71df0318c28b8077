"""How much memory a player's turn takes, beside that of the same networks with nothing but their convolutions.

    python benchmarks/memory.py [--json FILE]

The peak of all tensors that live at once in a turn on a CPU, without those that existed before, in megabytes. For
the comparison every activation and every normalization is taken out of the networks; convolutions, resizing, losses
and optimizers stay. A network of normalized convolutions needs for its backward pass the input of each convolution and
the input of each normalization, so it cannot come to 1.
"""

import argparse
import weakref
from pathlib import Path
from typing import Any

import measuring
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.models.convolutions import PartedBatchNorm
from ganctl.training.loop import Training

CASES = {
    "srgan": ["experiment=srgan", "game.pretrain_steps=0"],
    "cyclegan": ["experiment=cyclegan"],
}
BESIDES = (nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d, PartedBatchNorm)


class Live(TorchDispatchMode):
    """Follows the tensors that operations inside make, until they are freed; `peak` is the most bytes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if not isinstance(tensor, torch.Tensor):
                continue
            storage = tensor.untyped_storage()
            if storage._cdata not in self.known:
                self.known.add(storage._cdata)
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._free, storage._cdata, storage.nbytes())
        return made

    def _free(self, key: int, size: int) -> None:
        self.now -= size
        self.known.discard(key)


def bare(training: Training) -> None:
    """Takes everything out of the networks but their convolutions and what changes shapes."""
    for network in training.game.networks.values():
        for parent in network.modules():
            for name, child in [*parent.named_children()]:
                if isinstance(child, BESIDES):
                    setattr(parent, name, nn.Identity())


def peaks(words: list[str], stripped: bool) -> dict[str, float]:
    """The peak of each player's turn, in megabytes, after two steps."""
    training = build(load([*words, "device=cpu", "threads=1"])).training
    if stripped:
        bare(training)
    for _ in range(2):
        training.play_step(log=False)
    found = {}
    for name, player in training.players.items():
        with Live() as live:
            training._play_turn(name, player, training.turns[name] + 1)
        found[name] = live.peak / 1e6
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results = {}
    for case, words in CASES.items():
        whole, alone = peaks(words, stripped=False), peaks(words, stripped=True)
        for player in whole:
            results[f"{case}, {player}"] = {"MB": whole[player], "times": whole[player] / alone[player]}
            print(
                f"{case}, {player}: {whole[player]:.1f} MB, {whole[player] / alone[player]:.2f} times its convolutions"
            )
    measuring.write(given.json, results)


if __name__ == "__main__":
    main()
