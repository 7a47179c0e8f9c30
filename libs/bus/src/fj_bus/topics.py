"""Creating the topics that the YAML files describe."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from fj_events import TOPICS, Topic, dead_letter_topic

from fj_bus.access import KafkaAccess
from fj_bus.errors import TopicMismatch

_COPIES_MAX: Final = 3
_FOREVER: Final = -1


async def create_topics(
    bootstrap: str,
    prefix: str,
    services: Iterable[str],
    *,
    topics: Mapping[str, Topic] = TOPICS,
    access: KafkaAccess | None = None,
) -> list[str]:
    """Create what is missing of the topics and of `<service>-dlq` for each service. Returns what was created.

    Each has three copies where there are so many brokers. A topic that is there is left as it is; raises TopicMismatch
    if it has another number of partitions than its YAML: a key's facts would be looked for in the wrong one. Without
    `access`, FJ_KAFKA_… says how to get in.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **(access or KafkaAccess.load()).options)
    await admin.start()
    try:
        copies = min(_COPIES_MAX, len((await admin.describe_cluster())["brokers"]))
        wanted = [_new(prefix + topic.name, topic.partitions, copies, topic.retention_ms) for topic in topics.values()]
        wanted += [_new(prefix + dead_letter_topic(service), 1, copies, _FOREVER) for service in services]
        await _check(admin, {topic.name: topic for topic in wanted})
        return _created(await admin.create_topics(wanted))
    finally:
        await admin.close()


def _new(name: str, partitions: int, copies: int, retention_ms: int) -> NewTopic:
    configs = {"cleanup.policy": "delete", "retention.ms": str(retention_ms), "retention.bytes": "-1"}
    return NewTopic(name, partitions, copies, topic_configs=configs)


def _created(response: Any) -> list[str]:
    created = []
    for name, code, *_ in response.topic_errors:
        if not code:
            created.append(name)
        elif for_code(code) is not TopicAlreadyExistsError:
            raise for_code(code)(name)
    return created


async def _check(admin: AIOKafkaAdminClient, wanted: Mapping[str, NewTopic]) -> None:
    present = set(await admin.list_topics()) & set(wanted)
    for found in await admin.describe_topics(sorted(present)) if present else ():
        has, needs = len(found["partitions"]), wanted[found["topic"]].num_partitions
        if has != needs:
            raise TopicMismatch(f"{found['topic']} has {has} partitions, its YAML says {needs}")
