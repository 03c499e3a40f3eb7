"""A model pretrained on one dataset, probed and finetuned on another (arXiv 2508.10894, cross-dataset).

`SOURCE.TARGET`, or `SOURCE.TARGET.runlocal` for a laptop:

  s2_naip_urban.treesatai_ts   s2_naip_urban.pastis_hd   s2_naip_urban.flair_hub   s2_naip_urban.flair2
  flair_hub.treesatai_ts       flair_hub.pastis_hd

The sensors of the source start those of the target: its Sentinel-1 both orbits, its aerial image SPOT where it has no
SPOT; bands and patches are adapted, and what the source never saw is new. The load report lists every tensor.

    python -m mmae_jax train --config=configs/cross_dataset.py:s2_naip_urban.treesatai_ts \
      --config.init_from=PRETRAINED --config.data.dir=SHARDS --workdir=RUN

Weeks of pretraining on S2-NAIP come before; each of these runs takes hours on one accelerator.
"""

from ml_collections import ConfigDict

from configs import flair2, flair_hub, pastis_hd, treesatai_ts

S1 = ("s1_asc", "s1_des")
AERIAL = ("modalities.aerial.ground_sample_distance", "modalities.aerial.date_convention")
SPOT = ("modalities.spot.ground_sample_distance", "modalities.spot.date_convention")
TARGETS = {"treesatai_ts": treesatai_ts, "pastis_hd": pastis_hd, "flair_hub": flair_hub, "flair2": flair2}
TRANSFERS = {
    "s2_naip_urban.treesatai_ts": {"inputs": {"s1_asc": "s1", "s1_des": "s1"}},
    "s2_naip_urban.pastis_hd": {"inputs": {"s1_asc": "s1", "s1_des": "s1"}},
    "s2_naip_urban.flair_hub": {"inputs": {"s1_asc": "s1", "s1_des": "s1", "dem": "new"}},
    "s2_naip_urban.flair2": {"inputs": {"dem": "new"}},
    "flair_hub.treesatai_ts": {},
    "flair_hub.pastis_hd": {"inputs": {"spot": "aerial"}},
}
DIFFERENCES = {
    "s2_naip_urban.treesatai_ts": (*AERIAL, "modalities.s2.unit"),
    "s2_naip_urban.pastis_hd": (*SPOT, "modalities.s2.unit", "inputs.s2.norm_fac"),
    "s2_naip_urban.flair_hub": (*AERIAL, "modalities.s2.unit", "modalities.s2.ground_sample_distance"),
    "s2_naip_urban.flair2": (*AERIAL, "modalities.s2.unit", "modalities.s2.ground_sample_distance"),
    "flair_hub.treesatai_ts": (
        "modalities.aerial.date_convention",
        *(f"modalities.{name}.ground_sample_distance" for name in ("s2", *S1)),
    ),
    "flair_hub.pastis_hd": (
        *("modalities.s2.ground_sample_distance", "inputs.s2.norm_fac"),
        *(f"modalities.{name}.{field}" for name in S1 for field in ("unit", "decibel", "ground_sample_distance")),
        *(f"inputs.{name}.{field}" for name in S1 for field in ("norm_fac", "log_scale")),
    ),
}
"""In what the same sensors differ between two datasets: the model gets used to it in finetuning."""


def get_config(arg: str | None = None) -> ConfigDict:
    """Returns the experiment of the pair that `arg` names."""
    pair, _, size = (arg or "").partition(".runlocal")
    if pair not in TRANSFERS or size:
        raise ValueError(f"configs/cross_dataset.py: expected one of {', '.join(TRANSFERS)}, found {arg!r}")
    target = pair.split(".")[1]
    config = TARGETS[target].get_config("runlocal" if pair != arg else None)
    config.phases = ("probe", "finetune")
    config.transfer, config.data.allow = TRANSFERS[pair], DIFFERENCES[pair]
    return config
