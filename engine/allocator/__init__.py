"""Who gets which host, pool and number. `Allocator` is the way in."""

from engine.allocator.alike import Guest
from engine.allocator.allocator import Allocator
from engine.allocator.explain import Explanation, NothingFits, Refusal
from engine.allocator.policy import Policy, at_random, first_fit, pack, spread
from engine.allocator.request import (
    AddressDecision,
    Decision,
    GrowRequest,
    HostDecision,
    PlaceRequest,
    PoolDecision,
    SpaceRequest,
    Write,
)

__all__ = [
    "AddressDecision",
    "Allocator",
    "Decision",
    "Explanation",
    "GrowRequest",
    "Guest",
    "HostDecision",
    "NothingFits",
    "PlaceRequest",
    "Policy",
    "PoolDecision",
    "Refusal",
    "SpaceRequest",
    "Write",
    "at_random",
    "first_fit",
    "pack",
    "spread",
]
