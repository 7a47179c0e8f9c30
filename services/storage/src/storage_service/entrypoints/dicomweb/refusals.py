"""What retrieval refuses, as HTTP statuses (PS3.18 section 8.5)."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Final, TypeVar

from fj_runtime import Problem

from storage_service.domain.errors import (
    Away,
    Gone,
    NoSuchPart,
    NotConverted,
    NotShown,
    RetrievalError,
    TooLong,
    Unreadable,
)

T = TypeVar("T")
_STATUS: Final[dict[type[RetrievalError], int]] = {
    Gone: 410,
    Away: 503,
    NoSuchPart: 404,
    Unreadable: 404,
    TooLong: 406,
    NotShown: 406,
    NotConverted: 406,
}


@contextmanager
def refusing() -> Iterator[None]:
    """Turn refusals into problems."""
    try:
        yield
    except RetrievalError as error:
        status = _STATUS[type(error)]
        raise Problem(status, str(error), {"Retry-After": "2"} if status == 503 else None) from error


async def begun(items: AsyncGenerator[T, None]) -> AsyncIterator[T]:
    """The same items, the first of them read already: what is refused at once still has a status of its own."""
    with refusing():
        first = [await anext(items)]
    return _after(first, items)


async def _after(first: list[T], rest: AsyncGenerator[T, None]) -> AsyncIterator[T]:
    async with aclosing(rest):  # a client that goes away ends the reads that are on their way
        for item in first:
            yield item
        async for item in rest:
            yield item
