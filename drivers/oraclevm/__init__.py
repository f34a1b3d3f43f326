"""Hosts of Oracle VM 2.x (`Ovm`) and 3.x (`Ovm3`), through the agent that runs on each of them."""

KINDS = ("Ovm", "Ovm3")
NEEDS = ("aiohttp", "pycdlib")
