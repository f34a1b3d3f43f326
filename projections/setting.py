"""Changed settings as they are read."""

from aggregates.setting import Setting
from projections.table import table

settings = table(Setting, indexed=("name",))

__all__ = ["Setting", "settings"]
