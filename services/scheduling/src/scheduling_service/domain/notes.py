"""What people at the machine noted about an exam."""

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Note(BaseModel):
    """One note. Who wrote it stands with it."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    by: str
    text: str
