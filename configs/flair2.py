"""MAESTRO on FLAIR#2: 12 land cover classes by pixel from aerial images, elevation and a year of Sentinel-2.

Published result of this setting (arXiv 2508.10894): mean IoU 62.6 % on the test split after pretraining of 100 epochs,
58.2 % without; base model, 260 M parameters, 1680 tokens a sample, 130 GFLOP forward in pretraining, 399 in finetuning.

FLAIR#2 is here, as in that publication, its patches in the files of FLAIR-HUB:

    python -m data_prep flair_hub --version=flair2 --raw_dir=RAW --out_dir=SHARDS
    python -m mmae_jax train --config=configs/flair2.py --config.data.dir=SHARDS --workdir=RUN

The first needs the split files of that publication; `--flair2_areas=FILE` rebuilds them from the list of areas.
`--config=configs/flair2.py:runlocal` shrinks it to a laptop, `--config=configs/flair2.py:native` is for shards of the
release of 2023 (`python -m data_prep flair2`), which tells heights above the ground only.
"""

from ml_collections import ConfigDict

from configs import common, flair_hub
from data_prep.datasets.flair2.contract import CONTRACT as CONTRACT_NATIVE
from data_prep.datasets.flair_hub.contract import CONTRACT_FLAIR2
from mmae_jax.config import to_plain

ARGUMENTS = ("native", "native_runlocal", "runlocal")


def get_config(arg: str | None = None) -> ConfigDict:
    """Returns the experiment; `arg` is empty or one of `ARGUMENTS`."""
    common.check_argument("flair2", arg, *ARGUMENTS)
    native, small = (arg or "").startswith("native"), (arg or "").endswith("runlocal")
    config = flair_hub.get_config("runlocal" if small else None)
    config.dataset = to_plain(CONTRACT_NATIVE if native else CONTRACT_FLAIR2)
    for name in ("s1_asc", "s1_des"):
        del config.inputs[name]
    if native:
        size = config.inputs.dem.image_size
        del config.inputs["dem"]
        # metres are a fifth of the stored values; 1000 / 30 metres are 1, as in the difference FLAIR-HUB's input shows
        config.inputs.ndsm = dict(bands=[["nDSM"]], image_size=size, patch_size=32, norm_fac=5000.0 / 30)
    return config
