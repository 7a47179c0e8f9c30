"""What every fact has in common: frozen, typed, registered under its CloudEvents type."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from fj_events.terms import Actor, Site

_REGISTRY: dict[str, type["Fact"]] = {}


class Part(BaseModel):
    """A typed piece of a fact. Frozen; a misspelt field is refused in code, an unknown one ignored on reading."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", use_attribute_docstrings=True)


class Phi(Part):
    """A sub-object that carries protected health information (law 8).

    Plain, or sealed: then only `key_id` and `ciphertext` are set, and every other field reads as absent. So each
    field of a subclass is optional, and erasure by throwing a patient's key away needs no new version.
    """

    key_id: str | None = None
    ciphertext: str | None = None


class Fact(Part):
    """A sentence in the past tense about one aggregate.

    Subclasses name their CloudEvents type, topic and the field that is the Kafka key:
    `class OrderPlaced(Fact, type="order.placed.v1", topic="order-events", key="order_id")`.
    A base class that is no fact itself leaves all three out.
    """

    fact_type: ClassVar[str]
    topic: ClassVar[str]
    key_field: ClassVar[str]

    site: Site
    """The site at which this happened (FJ_SITES)."""
    actor: Actor | None = None
    """The user whose act this was; absent where a machine acted."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the fact once its fields are known."""
        if "type" not in kwargs:
            return
        cls.fact_type, cls.topic, cls.key_field = kwargs["type"], kwargs["topic"], kwargs["key"]
        if cls.key_field not in cls.model_fields:
            raise TypeError(f"{cls.__name__} has no field {cls.key_field!r} to be its key")
        if (other := _REGISTRY.get(cls.fact_type)) is not None and other.__qualname__ != cls.__qualname__:
            raise TypeError(f"{cls.fact_type} is both {other.__qualname__} and {cls.__qualname__}")
        _REGISTRY[cls.fact_type] = cls

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Keep the subclass keywords from pydantic, which would take them for configuration."""
        super().__init_subclass__()

    @property
    def key(self) -> str:
        """The Kafka key: the id of the aggregate that this fact is about."""
        return str(getattr(self, self.key_field))


class OpenEnum(StrEnum):
    """An enumeration whose unknown values are read as they are, so that services upgrade one by one."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        stranger = str.__new__(cls, value)
        stranger._name_ = value
        stranger._value_ = value
        return stranger

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read any string; write the value."""
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(), serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A string whose known values are listed, without closing the list."""
        return {"type": "string", "x-known-values": [member.value for member in cls], "title": cls.__name__}


def registry() -> dict[str, type[Fact]]:
    """Every fact class that has been imported, by type."""
    return dict(_REGISTRY)


def shape_of(build: Callable[[], type[Fact]]) -> type[Fact]:
    """Evaluate `build` without leaving its class in the registry: for tests that try a shape out."""
    before = dict(_REGISTRY)
    try:
        return build()
    finally:
        _REGISTRY.clear()
        _REGISTRY.update(before)
