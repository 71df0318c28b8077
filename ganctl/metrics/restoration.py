"""How close a restored image is to the true one: peak signal-to-noise ratio and structural similarity."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

MOST_PSNR = 100.0  # dB, the value of equal images, whose ratio is infinite
WINDOW, SPREAD = 11, 1.5  # side and standard deviation, in pixels, of the Gaussian window of SSIM
LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)  # weights of red, green and blue, ITU-R BT.601
BLACK = 16 / 255


def luminance(images: Tensor) -> Tensor:
    """The Y channel of images [N, C, H, W] within [0, 1], by ITU-R BT.601; images of one channel stay unchanged.

    Y goes from 16/255 (black) to 235/255 (white), as papers on super-resolution have it.

    Returns: [N, 1, H, W].
    """
    if images.shape[1] == 1:
        return images
    weights = torch.tensor(LUMA, dtype=images.dtype, device=images.device)
    return BLACK + torch.einsum("nchw,c->nhw", images[:, :3], weights)[:, None]


def psnr(made: Tensor, real: Tensor) -> Tensor:
    """The peak signal-to-noise ratio of each image, -10 log10 of its mean squared error, in dB; at most 100.

    Args:
        made: images [N, C, H, W] within [0, 1].
        real: the true images, of the same shape.

    Returns: [N].
    """
    error = (made.double() - real.double()).flatten(1).square().mean(dim=1)
    return (-10 * error.log10()).clamp(max=MOST_PSNR)


def ssim(made: Tensor, real: Tensor) -> Tensor:
    """The structural similarity of each image to the true one, in [-1, 1]; 1: they are equal.

    Source: Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity", eq. 13, with
    its Gaussian window of 11x11 pixels and standard deviation 1.5, K1 = 0.01 and K2 = 0.03. The window lies within the
    image everywhere.

    Args:
        made: images [N, C, H, W] within [0, 1], at least 11 pixels per side.
        real: the true images, of the same shape.

    Returns: [N], the mean over windows and channels.
    """
    x, y = made.double().flatten(0, 1)[:, None], real.double().flatten(0, 1)[:, None]
    offset = torch.arange(WINDOW, dtype=torch.float64, device=x.device) - WINDOW // 2
    line = (-(offset**2) / (2 * SPREAD**2)).exp()
    line = line / line.sum()

    def local(values: Tensor) -> Tensor:
        return conv2d(conv2d(values, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1))

    mean_x, mean_y = local(x), local(y)
    var_x, var_y = local(x * x) - mean_x**2, local(y * y) - mean_y**2
    both = local(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similar = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    similar = similar / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return similar.flatten(1).mean(dim=1).view(len(made), -1).mean(dim=1)
