"""The classes of FLAIR#2 are those of FLAIR-HUB under other numbers."""

from __future__ import annotations

import numpy as np

TO_COSIA = np.array([0, 4, 3, 5, 6, 13, 12, 14, 11, 8, 9, 10, 2, 7, 15, 17, 16, 1, 18], np.uint8)
"""Land cover class of FLAIR-HUB (`COSIA`, or one of those it ignores) of the labels 1 to 19 of FLAIR#2."""
