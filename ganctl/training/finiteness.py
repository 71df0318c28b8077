"""Checks that losses and gradients are finite before a player's weights are updated."""

import math

import torch
from torch import Tensor
from torch.optim import Optimizer

from ganctl.errors import NotFinite

# Bounds of a norm; outside of them its sum of squares in float32 may overflow, or lose terms by underflow.
SAFE = (1e-12, 1e18)


def _flat(gradient: Tensor) -> Tensor:
    """All numbers as a vector, without a copy if the memory format is contiguous or channels_last."""
    if gradient.ndim == 4 and not gradient.is_contiguous():
        gradient = gradient.permute(0, 2, 3, 1)  # channels last
    return gradient.reshape(-1)


class Guard:
    """Checks every turn between its backward pass and its update.

    On a CPU, a number that is not finite ends the run at once. On other devices, which run asynchronously, a fused
    optimizer skips the update, the first such turn is recorded on the device, and the next `report` ends the run.

    Args:
        device: device of the run.
        optimizers: one optimizer per player, by the player's name.
    """

    def __init__(self, device: torch.device, optimizers: dict[str, Optimizer]) -> None:
        self.device = device
        self.waits = device.type == "cpu"
        self.optimizers = optimizers
        # Keys are the player and the names of its terms, which differ between the stages of some games.
        self.kept: dict[tuple[str, tuple[str, ...]], Tensor] = {}

    def norm(self, gradients: list[Tensor]) -> Tensor:
        """The Euclidean norm of all gradients together, float32, to five digits; not finite if one of them is not.

        On a CPU it is computed by dot products, which take under half of the time of torch's norm, and again in double
        precision if these may have left the range of single precision. On other devices that test would wait for the
        device, so they always use double precision, except Apple's, which do not have it.
        """
        if not gradients:
            return torch.zeros((), device=self.device)
        if not self.waits:
            wide = None if self.device.type == "mps" else torch.float64
            return torch.stack(torch._foreach_norm(gradients, 2, wide)).norm().float()
        flat = [_flat(gradient) for gradient in gradients]
        norm = torch.stack([torch.dot(each, each) for each in flat]).sum().sqrt()
        if SAFE[0] < norm.item() < SAFE[1]:
            return norm
        return torch.stack([torch.linalg.vector_norm(each, dtype=torch.float64) for each in flat]).norm().float()

    def look(self, step: int, player: str, terms: dict[str, Tensor], loss: Tensor, norm: Tensor) -> None:
        """Checks a turn.

        Args:
            step: number of the step, from 1.
            player: name of the player.
            terms: the player's loss terms, by name.
            loss: the sum of the terms.
            norm: norm of the gradient.

        Raises:
            NotFinite: a term or the gradient is not finite; on a CPU only.
        """
        if self.waits:
            if not (math.isfinite(norm.item()) and math.isfinite(loss.item())):
                raise _complaint(step, player, list(terms), [norm.item(), *(value.item() for value in terms.values())])
            return
        seen = torch.stack([norm.detach(), *(value.detach() for value in terms.values())]).float()
        bad = ~torch.isfinite(seen).all()
        fresh = torch.cat([torch.full_like(seen[:1], step), seen])
        key = player, tuple(terms)
        before = self.kept[key] if key in self.kept else torch.zeros_like(fresh)
        self.kept[key] = torch.where((before[0] == 0) & bad, fresh, before)
        self.optimizers[player].found_inf = bad.float()  # type: ignore[attr-defined]

    def report(self) -> None:
        """Raises NotFinite if a term or a gradient of a turn since the last report was not finite."""
        found = [(*kept.tolist(), player, terms) for (player, terms), kept in self.kept.items()]
        bad = [each for each in found if each[0]]
        if bad:
            step, *seen, player, terms = min(
                bad, key=lambda each: each[0]
            )  # the first turn; within a step, in the order of play
            raise _complaint(int(step), player, [*terms], seen)


def _complaint(step: int, player: str, terms: list[str], seen: list[float]) -> NotFinite:
    """The error for a turn; `seen` has the norm of its gradient and the values of its terms."""
    norm, *values = seen
    for term, value in zip(terms, values, strict=True):
        if not math.isfinite(value):
            return NotFinite(f"step {step}: the {player}'s term {term} is {value}")
    return NotFinite(f"step {step}: the {player}'s gradient is {norm} (of {' + '.join(terms)}, which are finite)")
