"""Volumes as they are read."""

from aggregates.volume import Volume
from projections.cold import packed
from projections.table import table

volumes = table(
    Volume,
    indexed=(
        *("account_id", "domain_id", "zone_id", "name", "vm_id", "pool_id"),
        *("template_id", "state"),
    ),
    seldom=("offering_id", "snapshot_id", "upload_path"),
    make=packed(
        common=(
            *("account_id", "domain_id", "zone_id", "kind", "offering_id", "template_id"),
            "pool_id",
        ),
        usual=("version", "vm_id", "device", "attached_at_ms", "state", "path", "holds"),
    ),
)

__all__ = ["Volume", "volumes"]
