"""How a model is trained: on which samples, in which phases, on which devices, with which log."""

from __future__ import annotations

import dataclasses
import math

PHASES = ("pretrain", "probe", "finetune")


@dataclasses.dataclass(frozen=True)
class Data:
    """Where samples come from and how they are drawn (docs/method.md §2).

    Attributes:
      dir: folder of shards.
      workers: reader processes; 0 reads in threads of the training process.
      prefetch: what is prepared ahead of the device [batches].
      crop_meters: side of the square cut from a tile; the whole tile if None [m].
      repeats: fixed crops per side and tile in evaluation; an epoch is tiles · repeats² samples.
      random_dates: whether training draws dates at random within a bin.
      augment: whether training flips and transposes at random.
      allow: differences accepted knowingly: dotted names of contract fields (`modalities.s2.scale`), and bands whose
        values look wrong (`values.s2.B04`).
    """

    dir: str = ""
    workers: int = 4
    prefetch: int = 2
    crop_meters: float | None = None
    repeats: int = 1
    random_dates: bool = True
    augment: bool = True
    allow: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Phase:
    """One training phase (docs/method.md §8).

    Attributes:
      epochs: passes over the training samples [epochs].
      batch_size: global batch, of all devices together [samples].
      base_lr: the learning rate peaks at `base_lr · sqrt(batch_size / 3)`.
      final_factor: the learning rate ends at peak / final_factor.
      monitor: validation metric that picks the best checkpoint, `target/metric`; the last is kept where None.
      evaluate_every: epochs between evaluations, with which checkpoints are written; the last one is evaluated, too
        [epochs].
      patience: training stops after so long without improvement of the monitor; never where None [epochs].
      b1: AdamW's decay of the mean of gradients.
      b2: AdamW's decay of the mean of squared gradients.
      weight_decay: AdamW's decay of weights, times the learning rate.
      train_splits: splits trained on.
      label_fraction: share of the tiles whose labels are trained on, drawn by the seed, smaller shares within larger
        ones; an epoch has as many steps as with all of them.
      layer_decay: in finetuning, each layer of the encoder learns so much slower than the one above it; all learn alike
        if None.
    """

    epochs: int
    batch_size: int
    base_lr: float
    final_factor: float = 1e7
    monitor: str | None = None
    evaluate_every: int = 1
    patience: int | None = None
    b1: float = 0.9
    b2: float = 0.99
    weight_decay: float = 0.01
    train_splits: tuple[str, ...] = ("train",)
    label_fraction: float = 1.0
    layer_decay: float | None = None

    @property
    def peak_lr(self) -> float:
        """Peak learning rate, docs/method.md §8."""
        return self.base_lr * math.sqrt(self.batch_size / 3)


@dataclasses.dataclass(frozen=True)
class Mesh:
    """How the devices are divided; -1 (once) takes what is left.

    Attributes:
      data: groups of devices that share the batch, each with all parameters [devices].
      fsdp: devices of a group that share the batch and the parameters [devices].
      tensor: devices that share the widths of layers [devices].
    """

    data: int = -1
    fsdp: int = 1
    tensor: int = 1


@dataclasses.dataclass(frozen=True)
class Logging:
    """What is written while training.

    Attributes:
      every_steps: training between log lines [steps].
      checkpoint_every_steps: training between checkpoints, besides those at each epoch's end [steps].
      checkpoint_every_minutes: longest time between checkpoints; no limit if None [minutes].
      keep_checkpoints: latest checkpoints kept.
      images: samples shown in reconstruction figures.
      peak_tflops: what one device can do in the compute dtype, for the share of peak; None where the device is known
        [TFLOP/s].
    """

    every_steps: int = 50
    checkpoint_every_steps: int = 1000
    checkpoint_every_minutes: float | None = 30.0
    keep_checkpoints: int = 2
    images: int = 4
    peak_tflops: float | None = None
