"""Finds numbers that are no longer finite before a player's weights follow them."""

import math

import torch
from torch import Tensor
from torch.optim import Optimizer

from ganctl.errors import NotFinite

# Outside of these a sum of squares in single precision has left its range, or lost what it is made of.
SAFE = (1e-12, 1e18)


def _flat(gradient: Tensor) -> Tensor:
    """All numbers in a row, in the order in which they lie in memory where that is one of torch's."""
    if gradient.ndim == 4 and not gradient.is_contiguous():
        gradient = gradient.permute(0, 2, 3, 1)  # channels last
    return gradient.reshape(-1)


class Guard:
    """Looks at every turn between its backward pass and its update.

    On a CPU a number that is not finite ends the run there. Another device is not waited for: the update of a fused
    optimizer is left out there, what was seen first is kept, and the run ends when it is next asked.

    Args:
        device: where the run is.
        optimizers: one a player, by the player's name.
    """

    def __init__(self, device: torch.device, optimizers: dict[str, Optimizer]) -> None:
        self.device = device
        self.waits = device.type == "cpu"
        self.optimizers = optimizers
        # By the player and the names of its terms, which differ between the stages of some games.
        self.kept: dict[tuple[str, tuple[str, ...]], Tensor] = {}

    def norm(self, gradients: list[Tensor]) -> Tensor:
        """The Euclidean norm of all gradients together, float32, to five digits; not finite where one of them is not.

        On a CPU by sums of products, which take under half of the time of torch's norm; in double precision where they
        may have left the range of single precision. Another device is not asked whether they have, so there it is
        always in double precision, which Apple's do not have.
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
        """Takes in a turn.

        Args:
            step: from 1.
            player: whose turn it is.
            terms: what it minimizes, by name.
            loss: their sum.
            norm: of its gradient.

        Raises:
            NotFinite: a term or the gradient is not; only where the device can be asked at once.
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
        """Raises NotFinite where a turn since the last report was not finite."""
        found = [(*kept.tolist(), player, terms) for (player, terms), kept in self.kept.items()]
        bad = [each for each in found if each[0]]
        if bad:
            step, *seen, player, terms = min(
                bad, key=lambda each: each[0]
            )  # the first; in a step, in the order of play
            raise _complaint(int(step), player, [*terms], seen)


def _complaint(step: int, player: str, terms: list[str], seen: list[float]) -> NotFinite:
    """What to say of a turn of which `seen` has the gradient's norm and the terms."""
    norm, *values = seen
    for term, value in zip(terms, values, strict=True):
        if not math.isfinite(value):
            return NotFinite(f"step {step}: the {player}'s term {term} is {value}")
    return NotFinite(f"step {step}: the {player}'s gradient is {norm} (of {' + '.join(terms)}, which are finite)")
