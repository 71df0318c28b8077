"""Every random number of a run comes from a named stream, and every stream from the run's seed.

Two runs with one seed draw the same initial weights, data order and noise, whatever else differs
between them; and looking at a run (a grid, a logged value) draws from streams that training never uses.

    weights/<network>   initial weights                              derived anew for each network
    data_order          the permutation of each epoch                derived anew for each epoch
    noise               the latent input of the generator            advances, saved in checkpoints
    layer_noise         dropout                                      advances, saved in checkpoints
    augmentation        what a discriminator is shown, changed       advances, saved in checkpoints once it is used
    penalty             where a penalty looks at the discriminator   advances, saved in checkpoints
    global, global_cuda torch's own generators, for plugins' layers  advance, saved in checkpoints
    probe, evaluation   what measurements of a run look at           derived anew for each measurement
    sampling            what grids and `ganctl sample` show          derived anew for each picture
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from ganctl.errors import BadInput


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream that `names` spell, independent of every other stream of `seed`."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class Masks:
    """The stream of a layer's noise: which elements stay.

    Each element takes 16 random bits. On a CPU they come from numpy's SFC64 and are compared there, in a third of the
    time of torch's Mersenne Twister and comparison (docs/performance.md); on another device from torch.

    Args:
        seed: where the stream begins.
        device: where the masks are needed.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._bits = np.random.SFC64(seed)
        self._generator = None if self.device.type == "cpu" else torch.Generator(self.device).manual_seed(seed)

    def draw(self, count: int, kept: int) -> Tensor:
        """[count] of 1.0 and 0.0, each 1.0 with probability kept / 65536, for `kept` from 0 to 65535."""
        words, below = (count + 3) // 4, kept - 32768
        if self._generator is None:
            bits = self._bits.random_raw(words).view(np.int16)[:count]
            return torch.from_numpy((bits < np.int16(below)).astype(np.float32))
        drawn = torch.empty(words, dtype=torch.int64, device=self.device)
        drawn.random_(-(2**63), None, generator=self._generator)
        return (drawn.view(torch.int16)[:count] < below).float()

    def restart(self, seed: int) -> None:
        """Puts the stream where that of `seed` begins."""
        self.set_state(Masks(seed, self.device).get_state())

    def get_state(self) -> Tensor:
        """Where the stream is, as a uint8 tensor on the CPU."""
        if self._generator is not None:
            return self._generator.get_state()
        return torch.from_numpy(self._bits.state["state"]["state"].view(np.uint8).copy())

    def set_state(self, state: Tensor) -> None:
        """Puts the stream where `get_state()` was called.

        Raises:
            BadInput: the state of another kind of stream.
        """
        if self._generator is not None:
            self._generator.set_state(state)
            return
        if state.shape != (32,) or state.dtype != torch.uint8:
            raise BadInput(
                f"its layer noise has a state of {state.numel()} bytes, not 32, as an earlier ganctl wrote it; sample "
                "or evaluate it, or train a new run"
            )
        self._bits.state = self._bits.state | {"state": {"state": state.numpy().view(np.uint64).copy()}}


class Streams:
    """The random streams of one run.

    Args:
        seed: the run's seed, any integer; 0 is a seed like any other.
        device: where `noise`, `layer_noise` and `penalty` are drawn.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.seed = seed
        self.device = torch.device(device)
        self.noise, self.penalty = (self.fresh(name, device=self.device) for name in ("noise", "penalty"))
        self.layer_noise = Masks(derive(seed, "layer_noise"), self.device)
        torchs = {"global": torch.default_generator}
        if self.device.type == "cuda":
            torch.cuda.init()  # before that torch lists no generators
            index = torch.cuda.current_device() if self.device.index is None else self.device.index
            torchs["global_cuda"] = torch.cuda.default_generators[index]
        for name, generator in torchs.items():
            generator.manual_seed(derive(seed, name))
        self._advancing: dict[str, torch.Generator | Masks] = {
            "noise": self.noise, "layer_noise": self.layer_noise, "penalty": self.penalty, **torchs
        }  # fmt: skip

    def fresh(self, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
        """A generator at the start of the stream that `names` spell."""
        return torch.Generator(device).manual_seed(derive(self.seed, *names))

    @property
    def augmentation(self) -> torch.Generator:
        """The stream of random changes to what a discriminator is shown; it begins when it is first asked for."""
        stream = self._advancing.get("augmentation")
        if stream is None:
            stream = self._advancing["augmentation"] = self.fresh("augmentation", device=self.device)
        assert isinstance(stream, torch.Generator)
        return stream

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
        if "augmentation" in state:
            _ = self.augmentation
        for name in self._advancing.keys() & state.keys():
            self._advancing[name].set_state(state[name])
