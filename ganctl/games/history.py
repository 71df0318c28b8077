"""A history of generated images, from which a discriminator learns too (Shrivastava et al. 2017, arXiv:1612.07828)."""

import torch
from torch import Tensor

from ganctl.numerics.streams import Streams


class History:
    """Up to `size` generated images of earlier turns (section 2.3; 50 in CycleGAN, arXiv:1703.10593, section 4).

    Args:
        size: number of images; 0: no history.
        shape: shape of an image.
        streams: the run's random streams; the choices are drawn from `noise`.

    Attributes:
        images: the images, float32 [size, *shape]; zeros until they are filled. A checkpoint must hold them.
    """

    def __init__(self, size: int, shape: tuple[int, ...], streams: Streams) -> None:
        self.size, self.streams = size, streams
        self.images = torch.zeros(size, *shape, device=streams.device)

    def exchange(self, generated: Tensor, turn: int) -> Tensor:
        """The images that the discriminator gets in a turn.

        Until the history is full, generated images are added to it and returned. Then each of them is returned with
        probability 1/2, and otherwise replaces an image of the history, which is returned instead.

        Args:
            generated: generated images [N, *shape], the same number in every turn.
            turn: number of the turn, from 1.

        Returns: images [N, *shape], without gradient.
        """
        generated = generated.detach()
        if not self.size:
            return generated
        count = len(generated)
        filled = (turn - 1) * count
        if filled < self.size:
            added = generated[: self.size - filled].to(self.images.dtype)
            self.images[filled : filled + len(added)] = added
            return generated
        noise = self.streams.noise
        # Each image of a batch has a place of its own, so that no two exchange the same one.
        places = torch.randperm(self.size, generator=noise, device=noise.device)[:count].to(self.images.device)
        chosen = torch.rand(len(places), generator=noise, device=noise.device).to(self.images.device) < 0.5
        chosen = chosen.view(-1, *[1] * (generated.ndim - 1))
        kept, fresh = self.images[places], generated[: len(places)]
        self.images[places] = torch.where(chosen, fresh.to(kept.dtype), kept)
        return torch.cat([torch.where(chosen, kept.to(fresh.dtype), fresh), generated[len(places) :]])
