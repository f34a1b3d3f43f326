"""What a DNS domain of guests may be, as RFC 1123 has it."""

from __future__ import annotations

# A name of a guest has 63 characters and a dot before it, and DNS allows 253 and an ending.
LONGEST = 190
LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"


def dns_domain(at_most: int = LONGEST) -> tuple[str, str]:
    """The pattern of a whole domain, and words that say what it has to be."""
    pattern = rf"(?!.{{{at_most + 1}}}){LABEL}(?:\.{LABEL})*"
    words = (
        f"a DNS domain such as corp.example.com: at most {at_most} characters, in labels of 1 to "
        "63 letters, digits and hyphens that neither begin nor end with a hyphen"
    )
    return pattern, words
