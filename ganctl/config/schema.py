"""What may stand in a configuration: one dataclass for each choice of each group, and one for the whole."""

from dataclasses import MISSING as DATACLASS_MISSING
from dataclasses import Field, asdict, dataclass, field, fields, is_dataclass
from typing import Any

from omegaconf import MISSING

from ganctl.errors import BadInput


def bounded(
    default: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    newer: bool = False,
) -> Any:
    """A dataclass field whose numbers lie in [least, ...], (above, ...] or [..., below).

    Args:
        newer: whether there were studies before there was this option; see `without_newer`.
    """
    limits = {"least": least, "above": above, "below": below, "newer": newer}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=limits)
    return field(default=default, metadata=limits)


def chosen(default: str, *choices: str, newer: bool = False) -> Any:
    """A dataclass field that takes one of `choices`."""
    return field(default=default, metadata={"choices": choices, "newer": newer})


def _check_size(size: int) -> None:
    """Raises BadInput where digits of 28x28 pixels cannot have this size."""
    if size not in (28, 32):
        raise BadInput(f"data.size={size}: choose 28 (as the pictures are) or 32 (2 black pixels more on each side)")


# What a setting of a run decides: the weights that it comes to; which of its repetitions it is; how many steps it has;
# which rows and pictures are made on the way; where its folder is; which study it belongs to; or nothing of these.
# Everything that must know reads it here: what a checkpoint and a resumed run must agree in, what tells studies apart.
DECISIONS = ("result", "repetition", "length", "rows", "place", "study", "nothing")


def deciding(decision: str, default: Any = MISSING) -> Any:
    """A dataclass field of a setting that decides so much; `default` is a value, or a field with bounds."""
    assert decision in DECISIONS
    given = default if isinstance(default, Field) else bounded(default)
    limits = {**given.metadata, "decides": decision}
    if given.default_factory is not DATACLASS_MISSING:
        return field(default_factory=given.default_factory, metadata=limits)
    return field(default=given.default, metadata=limits)


@dataclass
class Mnist5k:
    name: str = "mnist5k"
    size: int = bounded(28, newer=True)
    count: int | None = bounded(None, least=1, newer=True)
    hold_out: int = bounded(0, least=0, newer=True)

    def __post_init__(self) -> None:
        _check_size(self.size)


@dataclass
class TorchvisionImages:
    name: str = "mnist"
    root: str | None = None
    size: int = bounded(28, newer=True)
    count: int | None = bounded(None, least=1, newer=True)

    def __post_init__(self) -> None:
        _check_size(self.size)


@dataclass
class Folder:
    name: str = "folder"
    root: str = MISSING
    image_size: int = bounded(32, least=4, below=4097)
    channels: int = bounded(3, least=1)
    background: str = chosen("white", "white", "black", newer=True)
    count: int | None = bounded(None, least=1, newer=True)
    hold_out: int = bounded(0, least=0, newer=True)

    def __post_init__(self) -> None:
        if self.channels not in (1, 3, 4):
            raise BadInput(f"data.channels={self.channels}: choose 1 (grey), 3 (RGB) or 4 (RGB and alpha)")
        if self.channels == 4 and self.background != "white":
            raise BadInput(
                f"data.background={self.background}: 4 channels keep what is transparent; leave it out, or use "
                "data.channels=3"
            )


@dataclass
class MnistToColour:
    name: str = "mnist_to_colour"
    root: str | None = None
    hold_out: int = bounded(1000, least=0)


@dataclass
class Unpaired:
    name: str = "unpaired"
    root: str = MISSING
    image_size: int = bounded(32, least=4, below=4097)
    channels: int = bounded(3, least=1)
    background: str = chosen("white", "white", "black")

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise BadInput(f"data.channels={self.channels}: choose 1 (grey) or 3 (RGB)")


@dataclass
class Density:
    name: str = "ring8"
    epoch_size: int = bounded(40_000, least=1)


@dataclass
class Mlp:
    name: str = "mlp"
    latent_dim: int = bounded(100, least=1, below=10**6)
    generator_widths: list[int] = bounded([256, 512, 1024], least=1, below=10**6)
    discriminator_widths: list[int] = bounded([1024, 512, 256], least=1, below=10**6)
    activation: str = chosen("leaky_relu", "leaky_relu", "relu", "tanh", "elu")
    dropout: float = bounded(0.3, least=0, below=1)
    output: str = chosen("auto", "auto", "tanh", "sigmoid", "none")
    spectral_norm: bool = False


@dataclass
class Autoencoder:
    name: str = "autoencoder"
    latent_dim: int = bounded(64, least=1, below=10**6)
    generator_widths: list[int] = bounded([256, 512, 1024], least=1, below=10**6)
    encoder_widths: list[int] = bounded([512, 64], least=1, below=10**6)
    activation: str = chosen("leaky_relu", "leaky_relu", "relu", "tanh", "elu")
    error: str = chosen("l1", "l1", "l2")
    output: str = chosen("auto", "auto", "tanh", "sigmoid", "none")


@dataclass
class Dcgan:
    name: str = "dcgan"
    latent_dim: int = bounded(100, least=1, below=10**6)
    width: int = bounded(64, least=1, below=10**6)
    hidden: int = bounded(0, least=0, below=10**6)
    output: str = chosen("auto", "auto", "tanh", "sigmoid")
    discriminator_norm: str = chosen("batch", "batch", "layer", "none")
    spectral_norm: bool = False


@dataclass
class SrResNet:
    name: str = "srresnet"
    width: int = bounded(32, least=1, below=10**6)
    blocks: int = bounded(8, least=1, below=1000)
    norm: str = chosen("none", "none", "batch")
    output: str = chosen("auto", "auto", "tanh", "sigmoid")
    hidden: int = bounded(128, least=0, below=10**6)
    discriminator_norm: str = chosen("batch", "batch", "layer", "none")
    spectral_norm: bool = False


@dataclass
class ResNet:
    name: str = "resnet"
    width: int = bounded(16, least=1, below=10**6)
    blocks: int = bounded(2, least=0, below=1000)
    output: str = chosen("auto", "auto", "tanh", "sigmoid")
    discriminator_width: int = bounded(32, least=1, below=10**6)
    spectral_norm: bool = False


@dataclass
class Gan:
    name: str = "gan"
    discriminator_turns: int = bounded(1, least=1)
    pulling_away_weight: float = bounded(0.0, least=0)


@dataclass
class Cgan:
    """Projection's options too."""

    name: str = "cgan"
    discriminator_turns: int = bounded(1, least=1)


@dataclass
class Acgan(Cgan):
    name: str = "acgan"
    class_weight: float = bounded(1.0, above=0)


@dataclass
class InfoGan(Cgan):
    name: str = "infogan"
    categories: int = bounded(10, least=0, below=1001)
    continuous: int = bounded(2, least=0, below=101)
    information_weight: float = bounded(1.0, least=0)
    continuous_weight: float = bounded(0.1, least=0)
    noise_deviation: float = bounded(1.0, above=0)


@dataclass
class Aae:
    name: str = "aae"
    prior: str = chosen("gaussian", "gaussian", "mixture", "swiss_roll")


@dataclass
class SemisupervisedAae(Aae):
    name: str = "aae_semisupervised"
    labelled: int = bounded(1000, least=1)


@dataclass
class Srgan:
    name: str = "srgan"
    factor: int = 4
    pretrain_steps: int = bounded(1500, least=0)
    content: str = chosen("pixels", "pixels", "classifier", "vgg19")
    content_weight: float = bounded(1.0, above=0)
    content_file: str | None = None
    adversarial_weight: float = bounded(0.001, least=0)
    border: int = bounded(0, least=0)

    def __post_init__(self) -> None:
        if self.factor not in (2, 4, 8):
            raise BadInput(f"game.factor={self.factor}: choose 2, 4 or 8")
        if self.content_file is not None and self.content != "vgg19":
            raise BadInput(f"game.content_file={self.content_file}: is for game.content=vgg19; leave it out")


@dataclass
class CycleGan:
    name: str = "cyclegan"
    cycle_weight: float = bounded(10.0, least=0)
    identity_weight: float = bounded(5.0, least=0)
    history: int = bounded(50, least=0, below=10**6)


@dataclass
class CrossEntropy:
    name: str = "nonsaturating"
    label_smoothing: float = bounded(0.0, least=0, below=1)
    half: bool = False


@dataclass
class LeastSquares:
    name: str = "least_squares"
    fake_code: float = bounded(0.0)
    real_code: float = bounded(1.0)
    generator_code: float = bounded(1.0)


@dataclass
class Relativistic:
    name: str = "relativistic_paired"
    form: str = chosen("logistic", "logistic", "least_squares", "hinge")


@dataclass
class RelativisticAverage(Relativistic):
    half: bool = False


@dataclass
class Ebgan:
    name: str = "ebgan"
    margin: float = bounded(1.0, above=0)


@dataclass
class Began:
    name: str = "began"
    gamma: float = bounded(0.5, least=0, below=1.0001)
    k_rate: float = bounded(0.001, above=0)


@dataclass
class Weighted:
    """A penalty without options of its own but its weight and how many turns lie between two payments."""

    name: str = "r1"
    weight: float = bounded(10.0, above=0)
    every: int = bounded(1, least=1)


@dataclass
class GradientPenalty(Weighted):
    one_sided: bool = False


@dataclass
class Lecam(Weighted):
    decay: float = bounded(0.99, least=0, below=1)
    one_sided: bool = False


@dataclass
class Consistency(Weighted):
    shift: int = bounded(4, least=1, below=4097)


@dataclass
class WeightClip:
    name: str = "weight_clip"
    clip: float = bounded(0.01, above=0, below=1e6)


@dataclass
class Optimizer:
    """What every optimizer has."""

    name: str = "adam"
    lr: float = bounded(0.001, above=0)
    discriminator_lr: float | None = bounded(None, above=0)
    schedule: str = chosen("constant", "constant", "linear", "late_linear", "cosine")
    end_factor: float = bounded(0.0, least=0)
    clip_norm: float | None = bounded(None, above=0)


@dataclass
class Adam(Optimizer):
    beta1: float = bounded(0.5, least=0, below=1)
    beta2: float = bounded(0.999, least=0, below=1)
    eps: float = bounded(1e-8, above=0)


@dataclass
class Rmsprop(Optimizer):
    alpha: float = bounded(0.99, least=0, below=1)


@dataclass
class Comparison:
    """What `compare-losses` does when the command line sweeps nothing."""

    arms: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    outcome: str = "quality/sliced_wasserstein"
    checkpoint: str = chosen("last", "last", "best")
    tune_seeds: list[int] = field(default_factory=lambda: [1000])
    published: dict[str, dict[str, float]] = field(default_factory=dict)
    source: str | None = None


# The options of each group's choices, with their bounds. One that is missing here has the options of its YAML file,
# each of the type of its default, without bounds; a plugin's own choice, which has no such file either, has any.
SCHEMAS: dict[str, dict[str, type]] = {
    "data": {
        "mnist5k": Mnist5k,
        "mnist": TorchvisionImages,
        "fashion_mnist": TorchvisionImages,
        "folder": Folder,
        "ring8": Density,
        "grid25": Density,
        "mnist_to_colour": MnistToColour,
        "unpaired": Unpaired,
    },
    "model": {
        "mlp": Mlp,
        "mlp_small": Mlp,
        "dcgan": Dcgan,
        "dcgan_small": Dcgan,
        "autoencoder": Autoencoder,
        "autoencoder_small": Autoencoder,
        "srresnet": SrResNet,
        "resnet": ResNet,
    },
    "game": {
        "gan": Gan,
        "cgan": Cgan,
        "projection": Cgan,
        "acgan": Acgan,
        "infogan": InfoGan,
        "aae": Aae,
        "aae_semisupervised": SemisupervisedAae,
        "srgan": Srgan,
        "cyclegan": CycleGan,
    },
    "loss": {
        "minimax": CrossEntropy,
        "minimax_swapped": CrossEntropy,
        "nonsaturating": CrossEntropy,
        "least_squares": LeastSquares,
        "relativistic_paired": Relativistic,
        "relativistic_average": RelativisticAverage,
        "ebgan": Ebgan,
        "began": Began,
    },
    "penalty": {
        "gradient": GradientPenalty,
        "r1": Weighted,
        "r2": Weighted,
        "r1r2": Weighted,
        "dragan": Weighted,
        "lecam": Lecam,
        "consistency": Consistency,
        "logit_drift": Weighted,
        "weight_clip": WeightClip,
    },
    "optim": {"adam": Adam, "rmsprop": Rmsprop},
}


@dataclass
class Config:
    """Everything a run depends on. The comments of `conf/config.yaml` say what each key means."""

    data: Any = deciding("result")
    model: Any = deciding("result")
    game: Any = deciding("result")
    loss: Any = deciding("result")
    penalty: Any = deciding("result")
    optim: Any = deciding("result")
    seed: int = deciding("repetition", 0)
    epochs: int | None = deciding("length", bounded(None, least=1, below=10**9))
    steps: int | None = deciding("length", bounded(None, least=1, below=10**12))
    batch_size: int = deciding("result", bounded(100, least=1))
    penalties: list[str] = deciding("result", bounded([], newer=True))
    ema_decay: float | None = deciding("result", bounded(None, least=0, below=1))
    ema_start: int = deciding("result", bounded(0, least=0))
    device: str = deciding("nothing", "auto")
    precision: str = deciding("result", chosen("fp32", "fp32", "tf32", "bf16"))
    compile: bool = deciding("result", False)
    threads: int | None = deciding("nothing", bounded(None, least=1, below=1025))
    log_every: int = deciding("rows", bounded(10, least=1, below=10**12))
    sample_every: int = deciding("rows", bounded(200, least=1, below=10**12))
    probe_every: int = deciding("rows", bounded(100, least=1, below=10**12))
    checkpoint_every: int = deciding("nothing", bounded(500, least=1, below=10**12))
    keep_checkpoints: int = deciding("nothing", bounded(2, least=1))
    metrics: list[str] = deciding("nothing", [])
    evaluate_every: int | None = deciding("nothing", bounded(None, least=1))
    evaluate_num: int | None = deciding("nothing", bounded(None, least=20, below=10**6 + 1))
    features: str = deciding("nothing", "auto")
    output_dir: str = deciding("place", "outputs")
    name: str | None = deciding("place", None)
    plugins: list[str] = deciding("nothing", [])
    jobs: int | None = deciding("study", bounded(None, least=1))
    tune: list[str] = deciding("study", [])
    compare: Comparison = deciding("study", field(default_factory=Comparison))

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings, as `config.yaml` holds them."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}


def settings(*decisions: str) -> set[str]:
    """The keys of a configuration that decide one of these."""
    return {item.name for item in fields(Config) if item.metadata["decides"] in decisions}


def option(section: Any, key: str, default: Any = None) -> Any:
    """An option of a group's section, which is a plain dict where its choice has no schema."""
    return section.get(key, default) if isinstance(section, dict) else getattr(section, key, default)


def without_newer(section: Any) -> dict[str, Any]:
    """The settings of a configuration or of one of its groups, without newer ones that are at their default.

    So a study that sets none of those is named and recorded as it was before they existed.
    """
    if not is_dataclass(section):
        return dict(section)
    newer = [item for item in fields(section) if item.metadata.get("newer")]
    defaults = {
        item.name: item.default if item.default_factory is DATACLASS_MISSING else item.default_factory()
        for item in newer
    }
    return {key: value for key, value in vars(section).items() if key not in defaults or value != defaults[key]}


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
