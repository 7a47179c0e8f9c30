"""Site profiles that are edited while the service runs."""

from typing import Final

import structlog
from fj_hl7 import BadProfile, Profiles
from fj_runtime import Periodic

_log = structlog.get_logger("fj_doors")
_SECONDS: Final = 5.0


def profiles_watch(profiles: Profiles) -> Periodic:
    """A part that takes changed profiles from the next message on; a mistake is logged, and the ones before stay."""

    async def look() -> None:
        try:
            changed = profiles.refresh()
        except BadProfile as error:
            _log.error("site profiles cannot be used, those before stay", reason=str(error))
        else:
            if changed:
                _log.info("site profiles read anew", profiles=[profile.name for profile in profiles])

    return Periodic("site profiles", _SECONDS, look)
