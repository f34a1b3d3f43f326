"""What `/metrics` tells without a `Monitor`: what the fold holds and the log counts by itself."""

from __future__ import annotations

from engine.log import Log
from projections.cloud import Cloud
from sagastack.monitor import folds
from sagastack.monitor.exposition import render
from sagastack.monitor.figures import of_the_log


def metrics(cloud: Cloud, log: Log) -> str:
    return render([*folds.families(cloud), *of_the_log(log.stats)])
