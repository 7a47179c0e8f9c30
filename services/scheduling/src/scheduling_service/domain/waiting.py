"""The waiting list: which exams want an appointment that nobody could give them yet."""

from dataclasses import dataclass

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Waiting(BaseModel):
    """Since when an exam waits for a slot, and for which."""

    model_config = ConfigDict(frozen=True)

    since: AwareDatetime
    reason: str
    after: AwareDatetime | None = None
    before: AwareDatetime | None = None
    station_ae_title: str | None = None
    take_up: bool = True
    """A slot is booked for it as soon as one is free; else a person does that."""


@dataclass(frozen=True, slots=True)
class Freed:
    """A station at which a time became free."""

    id: int
    site: str
    station_ae_title: str
