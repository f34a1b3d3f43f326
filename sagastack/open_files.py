"""How many files and connections this process may have open: as many as the system lets it.

The usual soft limit of 1024 is for programs that use `select`. A connection to each host and each
client is one, so a controller takes what its hard limit allows: up to a million, as there are
programs that close each number up to the limit when they begin.
"""

from __future__ import annotations

import logging
import resource

from sagastack.check import Check

log_ = logging.getLogger("sagastack.open_files")

FILES_MIN = 4096
FILES_MAX = 2**20


def allow_all() -> None:
    """Raise the soft limit to the hard one, as far as it is of use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as why:  # macOS and some containers allow less than they say.
        log_.warning("the limit of open files stays %d of %d: %s", soft, wanted, why)
    else:
        log_.info("the limit of open files is raised from %d to %d", soft, wanted)


def check() -> Check:
    """Whether a controller that is started here may open enough of them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = hard == resource.RLIM_INFINITY
    return Check(
        "open files",
        endless or hard >= FILES_MIN,
        "as many as wanted" if endless else f"at most {hard}",
        f"raise the hard limit to {FILES_MIN} or more, by LimitNOFILE= of the service or `ulimit "
        "-Hn`: each host and each client takes one",
    )
