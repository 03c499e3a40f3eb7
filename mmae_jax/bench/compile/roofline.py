"""The least time a step can take on given chips, and what bounds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from mmae_jax.bench.compile.collectives import Collective
from mmae_jax.hardware.chips import Chip


@dataclasses.dataclass(frozen=True)
class Bound:
    """Seconds a step takes at least for each of what it needs, if that were used at its peak; all may overlap.

    Latencies, and what does not overlap, come on top: this is what no program can beat, not a forecast.
    """

    compute: float
    memory: float
    network: float
    slow_network: float

    @property
    def seconds(self) -> float:
        """The bound of the whole step."""
        return max(dataclasses.astuple(self))

    @property
    def by(self) -> str:
        """What takes longest."""
        times = dataclasses.asdict(self)
        return max(times, key=lambda name: times[name]).replace("_", " ")


def bound(chip: Chip, dtype: str, flops: float, memory_bytes: float, collectives: Iterable[Collective]) -> Bound:
    """Returns the bound of a step on one chip.

    Args:
      chip: what the chip can do.
      dtype: name of the dtype in which matrices are multiplied.
      flops: operations of one chip.
      memory_bytes: bytes moved to and from the chip's memory.
      collectives: communications of a step; each uses those links that lie along its dimensions of the network.
    """
    collectives = list(collectives)
    return Bound(
        compute=flops / (chip.bf16_flops if dtype == "bfloat16" else chip.float32_flops),
        memory=memory_bytes / chip.memory_bandwidth,
        network=sum(one.count * one.sent / (chip.link_bandwidth * one.links) for one in collectives),
        slow_network=sum(one.count * one.sent_between_slices / chip.slow_bandwidth for one in collectives),
    )
