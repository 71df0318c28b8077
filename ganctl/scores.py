"""Bounds of a discriminator's score, the probability D(x) that a sample is real. Imports no torch."""

# The discriminator is "sure" that a sample is generated if D(G(z)) is below this. The sample's gradient under
# J(G) = -J(D) is then at most about a hundredth of that under the non-saturating loss (their ratio is D / (1 - D)).
SURE = 0.01
