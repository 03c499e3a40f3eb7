"""Classes of FLAIR-HUB and FLAIR#2, with the colours of the publisher's map styles (IGNF/FLAIR-HUB, color-styles/)."""

from __future__ import annotations

COSIA = {
    "building": "#ce7079",
    "greenhouse": "#b9e2d4",
    "swimming pool": "#62d0ff",
    "impervious surface": "#a6aab7",
    "pervious surface": "#987752",
    "bare soil": "#bbb096",
    "water": "#3375a1",
    "snow": "#e9effe",
    "herbaceous vegetation": "#8cd76a",
    "agricultural land": "#decf55",
    "plowed land": "#d0a349",
    "vineyard": "#b08290",
    "deciduous": "#4c9129",
    "coniferous": "#126421",
    "brushwood": "#b5c335",
}
"""The 15 classes that are predicted, ids 0 to 14."""

UNDEFINED = 18

COSIA_IGNORED = (15, 16, 17, UNDEFINED)
"""Clear cut, ligneous, mixed, undefined."""

FLAIR2_IGNORED = (1, 2, 7, *COSIA_IGNORED)
"""In FLAIR#2 greenhouse, swimming pool and snow are not counted either; ids stay those of `COSIA`."""

LPIS = {
    "grasses": "#92d050",
    "wheat": "#d7e600",
    "barley": "#e0e000",
    "maize": "#fff100",
    "other cereals": "#ffff00",
    "rice": "#e8e8e8",
    "flax, hemp, tobacco": "#dceaf7",
    "sunflower": "#d29ead",
    "rapeseed": "#d29ed0",
    "other oilseed crops": "#ffbe99",
    "soy": "#ffc000",
    "other protein crops": "#ff9000",
    "fodder legumes": "#009999",
    "beetroots": "#808000",
    "potatoes": "#a7a700",
    "other arable crops": "#89896d",
    "vineyard": "#f2cfee",
    "olive groves": "#6f6633",
    "fruit orchards": "#ac8141",
    "nut orchards": "#996633",
    "other permanent crops": "#80c1d7",
    "mixed crops": "#404040",
    "background": "#000000",
}
"""Coarsest of the three published levels, ids 0 to 22 (IGNF/FLAIR-HUB, configs/train/config_supervision.yaml).

All are counted, as in the publisher's benchmark; the reader of arXiv 2508.10894 leaves out 0, the grasses.
"""

NO_LPIS = 255
"""Stored where a patch has no parcel map."""
