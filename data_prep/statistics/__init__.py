"""What shards hold: moments, histograms, correlations, dates and class frequencies."""

from data_prep.statistics.collect import Collected, collect
from data_prep.statistics.command import write_statistics
from data_prep.statistics.summary import summarise

__all__ = ["Collected", "collect", "summarise", "write_statistics"]
