"""Every random number of a run comes from a named stream, and every stream from the run's seed.

Two runs with one seed draw the same initial weights, data order and noise, whatever else differs
between them; and looking at a run (a grid, a logged value) draws from streams that training never uses.

    weights/<network>   initial weights                              derived anew for each network
    data_order          the permutation of each epoch                derived anew for each epoch
    noise               the latent input of the generator            advances, saved in checkpoints
    layer_noise         dropout                                      advances, saved in checkpoints
    penalty             where a penalty looks at the discriminator   advances, saved in checkpoints
    global, global_cuda torch's own generators, for plugins' layers  advance, saved in checkpoints
    probe, evaluation   what measurements of a run look at           derived anew for each measurement
    sampling            what grids and `ganctl sample` show          derived anew for each picture
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

OWN = ("noise", "layer_noise", "penalty")  # the streams that advance; the others are torch's


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream that `names` spell, independent of every other stream of `seed`."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class Streams:
    """The random streams of one run.

    Args:
        seed: the run's seed, any integer; 0 is a seed like any other.
        device: where `noise`, `layer_noise` and `penalty` are drawn.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.seed = seed
        self.device = torch.device(device)
        self.noise, self.layer_noise, self.penalty = (self.fresh(name, device=self.device) for name in OWN)
        own = (self.noise, self.layer_noise, self.penalty)
        self._advancing = dict(zip(OWN, own, strict=True)) | {"global": torch.default_generator}
        if self.device.type == "cuda":
            index = torch.cuda.current_device() if self.device.index is None else self.device.index
            self._advancing["global_cuda"] = torch.cuda.default_generators[index]
        for name in self._advancing.keys() - {*OWN}:
            self._advancing[name].manual_seed(derive(seed, name))

    def fresh(self, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
        """A generator at the start of the stream that `names` spell."""
        return torch.Generator(device).manual_seed(derive(self.seed, *names))

    @contextmanager
    def initial_weights(self, network: str) -> Iterator[None]:
        """Layers made inside draw their initial weights from the stream of `network`."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive(self.seed, "weights", network))
            yield

    @contextmanager
    def preserved(self) -> Iterator[None]:
        """Whatever is drawn inside leaves every stream where it was."""
        before = self.state()
        try:
            yield
        finally:
            self.restore(before)

    def state(self) -> dict[str, Tensor]:
        """The position of every advancing stream, as uint8 tensors on the CPU."""
        return {name: generator.get_state() for name, generator in self._advancing.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Puts every advancing stream back to a position that `state()` gave; one that did not exist then stays."""
        for name in self._advancing.keys() & state.keys():
            self._advancing[name].set_state(state[name])
