"""What an order refuses."""


class OrderError(Exception):
    """A wish that cannot be granted; nothing has changed."""


class NotPossible(OrderError):
    """The order's state does not allow it."""

    def __init__(self, life: str, act: str) -> None:
        super().__init__(f"the order is {life}: {act} is not possible")
        self.life = life
        self.act = act


class NoSuchOrder(OrderError):
    """No order has this number."""

    def __init__(self, number: str) -> None:
        super().__init__(f"no order has the number {number}")


class NotWaiting(OrderError):
    """What came before its order was done, or somebody has said what becomes of it."""

    def __init__(self) -> None:
        super().__init__("nothing waits under this number, nor was it given up")


class NumberTaken(OrderError):
    """The number that an order is to have is already another order's."""

    def __init__(self, number: str) -> None:
        super().__init__(f"another order has the number {number} already")


class OtherNumber(OrderError):
    """An order keeps the number that its placer gave it."""

    def __init__(self, number: str) -> None:
        super().__init__(f"the order has the number {number}")


class OtherPatient(OrderError):
    """An order keeps its patient; another one needs a merge or a new order."""

    def __init__(self) -> None:
        super().__init__("the order belongs to another patient")
