"""Second looks: what changed in the instant of a match is compared once more (decision 17)."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from storage_service.domain.second_look import next_turn
from storage_service.ports.second_looks import SecondLooks

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Looking:
    """What it takes."""

    looks: SecondLooks

    async def next(self) -> bool:
        """Look at the study that is due; False where none is. One that fails does not keep the others waiting."""
        look = await self.looks.claim(datetime.now(UTC))
        if look is None:
            return False
        try:
            await self.looks.look(look)
        except Exception as error:  # noqa: BLE001 - it may be anything of this study; what all meet, `failed` meets too
            # Its text may quote values: only the class is kept.
            reason = type(error).__name__
            log.warning("a second look failed", error=reason, attempts=look.attempts)
            await self.looks.failed(look, reason, next_turn(look, datetime.now(UTC)))
        return True
