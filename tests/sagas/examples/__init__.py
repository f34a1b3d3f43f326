"""Examples of each saga: what must be there before, and what is then asked.

A saga without an example fails `test_every_saga_has_an_example`: new sagas are tested by existing.
Another example of the same saga adds words to its name: `vm.deploy:1 from an ISO`.
Each module here has its nouns' `EXAMPLES`, by the name of the saga; the folder is walked.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Awaitable, Callable
from importlib import import_module

from tests.sagas.rig import Rig

Example = Callable[[Rig], Awaitable[object]]

EXAMPLES: dict[str, Example] = {}
for found in sorted(pkgutil.iter_modules(__path__), key=lambda one: one.name):
    EXAMPLES |= import_module(f"{__name__}.{found.name}").EXAMPLES
