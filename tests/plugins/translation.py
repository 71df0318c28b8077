"""A plugin in one file: unpaired translation of black on white to white on black, by two GANs and a cycle."""

from ganctl.data import DATASETS, Domains, ImageSet
from ganctl.games import GAMES, Contest, Game, Inputs, Player, after_turn, chosen_from, evaluating
from ganctl.models import Discriminator, Translator


def negatives(options):
    """One half of the digits, and the other half inverted, so that no image has its own negative."""
    digits = DATASETS["mnist5k"](options)
    target = ImageSet(255 - digits.pixels[::2], digits.labels[::2])
    return Domains(target, ImageSet(digits.pixels[1::2], digits.labels[1::2]))


class Translation(Game):
    """Two generators, a to b and back, and a discriminator of each domain (Zhu et al. 2017, arXiv:1703.10593)."""

    sampled = ("generator_ab", "generator_ba")
    draws_from = "held_out"
    offers = ("label_agreement",)

    def __init__(self, parts, cycle_weight=10.0):
        self.networks, self.held_out, self.cycle_weight = parts.networks, parts.held_out, cycle_weight
        self.ab, self.ba = parts.networks["generator_ab"], parts.networks["generator_ba"]
        self.contests = {
            name: Contest(parts.networks[f"discriminator_{name[0]}"], parts.loss, parts.penalties, parts.streams, name)
            for name in ("a_", "b_")
        }

    @staticmethod
    def asks(_options, dataset, _latent_dim):
        a, b = dataset.source.shape, dataset.shape
        generators = {"generator_ab": Translator(a, b), "generator_ba": Translator(b, a)}
        return generators | {"discriminator_a": Discriminator(a), "discriminator_b": Discriminator(b)}

    def players(self):
        judges = ("discriminator_a", "discriminator_b")
        return {
            "discriminator": Player(judges, self.d_loss, fresh_batch=True, after_turn=after_turn(self.contests)),
            "generator": Player(("generator_ab", "generator_ba"), self.g_loss),
        }

    def domains(self, batch):
        a, b = batch.samples.more["source"], batch.real
        return {"a_": (a, self.ba(b)), "b_": (b, self.ab(a))}

    def d_loss(self, batch):
        terms = {}
        for name, (real, fake) in self.domains(batch).items():
            contest = self.contests[name]
            found = contest.discriminator_terms(batch, *contest.judge(real, fake))
            terms |= {f"{name}{term}": value for term, value in found.items()}
        return terms

    def g_loss(self, batch):
        domains, terms = self.domains(batch), {}
        for name, (real, fake) in domains.items():
            contest = self.contests[name]
            terms[f"{name}adversarial"] = contest.generator_term(batch, contest.look(fake), real)
        (a, fake_a), (b, fake_b) = domains["a_"], domains["b_"]
        cycle = (self.ba(fake_b) - a).abs().mean() + (self.ab(fake_a) - b).abs().mean()
        return terms | {"cycle": self.cycle_weight * cycle}

    def draw(self, count, noise):
        drawn = chosen_from(self.held_out, count, noise, self.value_range)
        return Inputs(images={"source": drawn.more["source"]}, labels=drawn.more["source_labels"])

    def generate(self, inputs):
        return self.ab(inputs.images["source"])

    def compare(self, real):
        with evaluating(self.ab, self.ba):
            back = self.ba(real.data)
            return {"images": real.data, "source": back, "cycle": self.ab(back)}


DATASETS["negatives"], GAMES["translation"] = negatives, Translation
