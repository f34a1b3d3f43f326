"""What a DNS domain of networks may be, wherever one is said."""

from __future__ import annotations

from api.declare import Matches

# A name of a guest has 63 characters and a dot before it, and DNS allows 253 and an ending.
LONGEST = 190
LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DNS_DOMAIN = Matches(
    rf"|(?!.{{{LONGEST + 1}}}){LABEL}(?:\.{LABEL})*",
    f"a DNS domain such as corp.example.com: at most {LONGEST} characters, in labels of 1 to 63 "
    "letters, digits and hyphens that neither begin nor end with a hyphen",
)
