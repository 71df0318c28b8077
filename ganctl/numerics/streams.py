"""Named random streams. Every random number of a run comes from one of them, and all are derived from the run's seed.

Two runs with the same seed draw the same initial weights, data order and noise, even if other settings differ.
Observing a run (a grid, a logged value) draws from streams that training never uses.

    weights/<network>   initial weights                               derived for each network
    data_order          the permutation of each epoch                 derived for each epoch
    noise               the latent input of the generator             advances, saved in checkpoints
    layer_noise         dropout                                       advances, saved in checkpoints
    augmentation        random changes to what a discriminator sees   advances, saved in checkpoints once it is used
    penalty             the points at which a penalty is evaluated    advances, saved in checkpoints
    global, global_cuda torch's own generators, for plugins' layers   advance, saved in checkpoints
    probe, evaluation   noise and real samples of measurements        derived for each measurement
    sampling            noise of grids and of `ganctl sample`         derived for each picture
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from ganctl.errors import BadInput


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream with these names, independent of all other streams of `seed`."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class Masks:
    """A random stream of Bernoulli masks, for dropout.

    Each element takes 16 random bits. On a CPU numpy draws and compares them (SFC64), in a third of the time that torch
    takes with its Mersenne Twister (docs/performance.md); on other devices torch does.

    Args:
        seed: seed of the stream.
        device: device of the masks.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._bits = np.random.SFC64(seed)
        self._generator = None if self.device.type == "cpu" else torch.Generator(self.device).manual_seed(seed)

    def draw(self, count: int, kept: int) -> Tensor:
        """A mask, float32 [count]: each element is 1 with probability kept / 65536, else 0. `kept`: 0 to 65535."""
        words, below = (count + 3) // 4, kept - 32768
        if self._generator is None:
            bits = self._bits.random_raw(words).view(np.int16)[:count]
            return torch.from_numpy((bits < np.int16(below)).astype(np.float32))
        drawn = torch.empty(words, dtype=torch.int64, device=self.device)
        drawn.random_(-(2**63), None, generator=self._generator)
        return (drawn.view(torch.int16)[:count] < below).float()

    def restart(self, seed: int) -> None:
        """Sets the stream to the start of the stream of `seed`."""
        self.set_state(Masks(seed, self.device).get_state())

    def get_state(self) -> Tensor:
        """The stream's position, as a uint8 tensor on the CPU."""
        if self._generator is not None:
            return self._generator.get_state()
        return torch.from_numpy(self._bits.state["state"]["state"].view(np.uint8).copy())

    def set_state(self, state: Tensor) -> None:
        """Sets the stream to a position that `get_state()` returned.

        Raises:
            BadInput: the state belongs to another kind of stream.
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
        seed: the run's seed, any integer; 0 has no special meaning.
        device: the device on which `noise`, `layer_noise` and `penalty` are drawn.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.seed = seed
        self.device = torch.device(device)
        self.noise, self.penalty = (self.fresh(name, device=self.device) for name in ("noise", "penalty"))
        self.layer_noise = Masks(derive(seed, "layer_noise"), self.device)
        torchs = {"global": torch.default_generator}
        if self.device.type == "cuda":
            torch.cuda.init()  # torch lists its CUDA generators only after this
            index = torch.cuda.current_device() if self.device.index is None else self.device.index
            torchs["global_cuda"] = torch.cuda.default_generators[index]
        for name, generator in torchs.items():
            generator.manual_seed(derive(seed, name))
        self._advancing: dict[str, torch.Generator | Masks] = {
            "noise": self.noise, "layer_noise": self.layer_noise, "penalty": self.penalty, **torchs
        }  # fmt: skip

    def fresh(self, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
        """A new generator at the start of the stream with these names."""
        return torch.Generator(device).manual_seed(derive(self.seed, *names))

    @property
    def augmentation(self) -> torch.Generator:
        """The stream of random augmentations of a discriminator's input. It is created on first use."""
        stream = self._advancing.get("augmentation")
        if stream is None:
            stream = self._advancing["augmentation"] = self.fresh("augmentation", device=self.device)
        assert isinstance(stream, torch.Generator)
        return stream

    @contextmanager
    def initial_weights(self, network: str) -> Iterator[None]:
        """A context in which new layers draw their initial weights from the stream weights/<network>."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive(self.seed, "weights", network))
            yield

    @contextmanager
    def preserved(self) -> Iterator[None]:
        """A context that restores the position of every stream at its end."""
        before = self.state()
        try:
            yield
        finally:
            self.restore(before)

    def state(self) -> dict[str, Tensor]:
        """The position of every advancing stream, as uint8 tensors on the CPU."""
        return {name: generator.get_state() for name, generator in self._advancing.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Sets the advancing streams to positions that `state()` returned; a stream missing there is not changed."""
        if "augmentation" in state:
            _ = self.augmentation
        for name in self._advancing.keys() & state.keys():
            self._advancing[name].set_state(state[name])
