"""Bounds of a discriminator's score, the probability D(x) that a sample is real. Imports no torch."""

# Below this D(G(z)) the discriminator is called sure of its fakes: the gradient of a sample under J(G) = -J(D) then has
# less than a hundredth of its size under the non-saturating loss (their ratio is D / (1 - D)).
SURE = 0.01
