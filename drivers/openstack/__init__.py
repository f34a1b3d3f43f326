"""OpenStack regions: their compute hosts are hosts, Nova's servers are guests, all by REST."""

KINDS = ("OpenStack",)
