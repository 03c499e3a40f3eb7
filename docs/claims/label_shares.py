"""Pretraining by share of the labels, on series of single pixels (docs/claims.md).

python -m mmae_jax claims docs/claims/label_shares.py --config=my_config.py --shards=FOLD_0,… --out=DIR
"""

SHARES = {
    "all labels": {},
    "10 % of labels": {"label_fraction": 0.1, "epochs": 6},
    "5 % of labels": {"label_fraction": 0.05, "epochs": 6},
    "1 % of labels": {"label_fraction": 0.01, "epochs": 6},
}


def get_claim(inputs=None):
    """Returns the claim."""
    arms = {"pretraining": dict(fields={"phases": ["pretrain"]})}
    comparisons = {}
    for share, few in SHARES.items():
        fields = {"phases": ["finetune"]} | {f"finetune.{name}": value for name, value in few.items()}
        arms[f"pretrained, {share}"] = dict(fields=fields, after="pretraining")
        arms[f"from scratch, {share}"] = dict(fields=fields)
        comparisons[share.split()[0]] = dict(
            says=f"with {share}, pretraining beats none",
            better=f"pretrained, {share}",
            worse=f"from scratch, {share}",
        )
    return dict(
        question="On real series: does pretraining pay?",
        published="3.5 to 6 points (arXiv 2508.10894)",
        arms=arms,
        comparisons=comparisons,
        landscapes={},
    )
