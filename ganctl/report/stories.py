"""Describes the facts of one run in sentences."""

import numpy as np

from ganctl.report.collect import CellRecord
from ganctl.report.saturation import HALF, probed, ratios
from ganctl.scores import SURE


def facts(cell: CellRecord) -> dict[str, float]:
    """Facts about a run's discriminator and its generator's gradient, from the logged scalars.

    Returns: `sure_share`, the share of logged steps with D(G(z)) < 0.01; `sure_from`, the first step from which this
    held until the end (absent if it does not hold at the end; both absent if D's output is no probability under the
    loss); `grad_norm_start` and `grad_norm_end`, the median norm of the generator's gradient over the first and the
    last epoch.
    """
    if not len(cell.step) or not {"score/real", "score/fake", "grad_norm/generator"} <= cell.series.keys():
        return {}
    found = {}
    if probable(cell):
        sure = cell.series["score/fake"] < SURE
        found["sure_share"] = float(sure.mean())
        if sure[-1]:
            found["sure_from"] = float(cell.step[len(sure) - np.argmin(sure[::-1])] if not sure.all() else cell.step[0])
    norm = cell.series["grad_norm/generator"]
    found["grad_norm_start"] = float(np.median(norm[cell.epoch <= max(1.0, cell.epoch[0])]))
    found["grad_norm_end"] = float(np.median(norm[cell.last_epoch()]))
    return found


def probable(cell: CellRecord) -> bool:
    """Whether D(x), the sigmoid of a logit, is a probability under the run's loss."""
    return bool(cell.info.get("log_odds", True))


def story(cell: CellRecord) -> str:
    """The facts of a run in a few sentences, all taken from its logged scalars."""
    known, final = facts(cell), cell.final()
    if not known:
        return " ".join(["It logged nothing of a discriminator and a generator.", *_findings(cell)])
    return " ".join(
        filter(None, [_opinion(cell, known, final), _gradient(cell, known), _modes(cell, final), *_findings(cell)])
    )


def _findings(cell: CellRecord) -> list[str]:
    findings = cell.info.get("findings", [])
    return [f"Diagnosis: {found['verdict']} since step {found['since']:,}: {found['because']}." for found in findings]


def _opinion(cell: CellRecord, known: dict[str, float], final: dict[str, float]) -> str:
    if not probable(cell) and {"logit/real", "logit/fake"} <= final.keys():
        real, fake = final["logit/real"], final["logit/fake"]
        return f"In the end D's output was {real:.3g} on real and {fake:.3g} on generated samples on average."
    if not probable(cell):
        return ""
    share = known["sure_share"]
    if "sure_from" in known and cell.step[-1] > known["sure_from"]:
        first = f"From step {known['sure_from']:,.0f} to the end D(G(z)) was below {SURE} at every logged step."
    elif share > 0:
        first = f"D(G(z)) was below {SURE} on {share:.1%} of the logged steps, not lastingly."
    else:
        first = f"D(G(z)) was never below {SURE} at a logged step."
    return f"{first} In the end D(x) was {final['score/real']:.2f} and D(G(z)) {final['score/fake']:.3g} on average."


def _gradient(cell: CellRecord, known: dict[str, float]) -> str:
    if cell.epoch[-1] < 2:  # the first and the last epoch would overlap
        return f"The median norm of the generator's gradient was {known['grad_norm_end']:.2g}."
    return (
        f"The norm of the generator's gradient went from {known['grad_norm_start']:.2g} in the first epoch to "
        f"{known['grad_norm_end']:.2g} in the last (medians)."
    )


def _modes(cell: CellRecord, final: dict[str, float]) -> str:
    if "modes/covered" not in final:
        return ""
    covered, quality = final["modes/covered"], final["modes/high_quality"]
    at = cell.judged()
    when = "in the end" if at is None or at == len(cell.step) - 1 else f"at step {cell.step[at]:,}, where it is judged"
    return f"It covered {covered:g} modes {when}, with {quality:.0%} of its samples of high quality."


def reason(cell: CellRecord) -> str:
    """Sentences on what the probes of a run show about the forms of J(G) at its weights; empty without probes."""
    rows = probed(cell)
    if not len(rows):
        return ""
    ratio, step, sure = ratios(cell), cell.step[rows], cell.series["evidence/sure_share"][rows]
    lowest = int(ratio.argmin())
    words = (
        f"At the weights of this run, the minimax form would have given the generator {_times(ratio[lowest])} the "
        f"gradient of the non-saturating form at step {step[lowest]:,}, where D(G(z)) was below {SURE} for "
        f"{sure[lowest]:.0%} of the samples, and {_times(ratio[-1])} at the end."
    )
    if ratio[lowest] >= HALF and ratio.max() <= 1 / HALF:
        words += (
            " At no probe was one form's gradient less than half of the other's, "
            "so this run shows little of where they differ."
        )
    cosine = cell.series.get("evidence/cosine_minimax_nonsaturating", np.full(len(cell.step), np.nan))
    cosine = cosine[np.isfinite(cosine)]
    if len(cosine):
        words += f" The cosine between the two gradients was {np.median(cosine):.2f} (median)."
    return words


def _times(ratio: float) -> str:
    return f"{ratio:.2g} times"
