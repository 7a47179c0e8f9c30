"""What a delivery refuses."""

from uuid import UUID


class DeliveryError(Exception):
    """A wish that cannot be granted; nothing has changed."""


class NoSuchDelivery(DeliveryError):
    """No delivery has this id."""

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__(f"no delivery has the id {delivery_id}")


class AlreadyPending(DeliveryError):
    """It is on its way: nothing needs to be sent again."""

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__(f"delivery {delivery_id} is pending and will be tried by itself")


class NotAbandoned(DeliveryError):
    """It was not given up: there is nothing to dismiss."""

    def __init__(self, delivery_id: UUID, state: str) -> None:
        super().__init__(f"delivery {delivery_id} is {state}")


class Superseded(DeliveryError):
    """A newer version of the report is at the destination already."""

    def __init__(self, delivery_id: UUID, version: int, newest: int) -> None:
        super().__init__(f"delivery {delivery_id} has version {version}, the destination has version {newest}")


class Unfit(DeliveryError):
    """What must be said cannot be put into a message yet."""
