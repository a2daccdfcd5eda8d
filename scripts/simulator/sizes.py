"""How many tokens requests carry where the load does not say it: as in a published hour of conversations."""

import numpy as np

from scripts.simulator.traces import Sizes

# Quantiles of Azure's conversation trace of 2023-11-16 (AzurePublicDataset, CC-BY 4.0): 19,366 requests.
SHARES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)
PROMPTS = (2, 29, 181, 207, 387, 403, 703, 1020, 1071, 1130, 1315, 2735, 4083, 4142, 6212, 14050)
OUTPUTS = (7, 16, 41, 54, 77, 91, 103, 129, 177, 384, 400, 424, 451, 601, 954, 1000)
DRAWN = 4096


def usual_sizes() -> Sizes:
    """Prompt and answer drawn apart from each other, always the same."""
    at = (np.arange(DRAWN) + 0.5) / DRAWN
    order = np.random.default_rng(0).permutation(DRAWN)
    return Sizes(np.interp(at, SHARES, PROMPTS), np.interp(at, SHARES, OUTPUTS)[order])
