"""Pretraining by share of the labels, and early against late fusion, on series of single pixels (docs/claims.md).

python -m mmae_jax claims docs/claims/labels.py --config=my_config.py --shards=FOLD_0,… --out=DIR
"""

FEW = {"finetune.label_fraction": 0.1, "finetune.epochs": 6, "finetune.base_lr": 3e-4}


def get_claim(inputs=None):
    """Returns the claim."""
    tuned = {"phases": ["finetune"]}
    return dict(
        question="On real series: does pretraining pay, and do all dates together?",
        published="3.5 to 6 points for pretraining, 3 to 3.6 for all dates together (arXiv 2508.10894)",
        arms={
            "pretraining": dict(fields={"phases": ["pretrain"]}),
            "pretrained, 10 % of labels": dict(fields={**tuned, **FEW}, after="pretraining"),
            "from scratch, 10 % of labels": dict(fields={**tuned, **FEW}),
            "from scratch, all labels": dict(fields=tuned),
            "single dates, from scratch, all labels": dict(fields={**tuned, "model.fusion": "monotemp"}),
            "pretrained, all labels": dict(fields=tuned, after="pretraining"),
        },
        comparisons={
            "few": dict(
                says="with 10 % of labels, pretraining beats none",
                better="pretrained, 10 % of labels",
                worse="from scratch, 10 % of labels",
            ),
            "all": dict(
                says="with all labels, pretraining beats none",
                better="pretrained, all labels",
                worse="from scratch, all labels",
            ),
            "dates": dict(
                says="all dates together beat single dates",
                better="from scratch, all labels",
                worse="single dates, from scratch, all labels",
            ),
        },
        landscapes={},
    )
