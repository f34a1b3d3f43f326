"""XenServer and XCP-ng, by XAPI."""

KINDS = ("XenServer",)
NEEDS = ("aiohttp",)
