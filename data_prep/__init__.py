"""From published raw data to ArrayRecord shards with a sensor contract.

`python -m data_prep <dataset> --raw_dir=… --out_dir=…`
"""
