"""The topics of a cloud in Kafka: made at the first start, and checked at every start.

Kafka is a copy of the log, and a copy that forgets or that is shuffled is worse than none. So
nothing is mended in silence: a topic that is not what it must be is told, with what to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from engine.log.errors import LogError

CONNECT_S, ASK_S = 10.0, 20.0
ROW_BYTES = 16 * 1024 * 1024
FOREVER = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
# The log's clock counts, even where it is ahead of the broker's.
AS_RECORDED = {
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": str(2**63 - 1),
}
LATEST_ONLY = {"cleanup.policy": "compact", "segment.bytes": str(ROW_BYTES)}


class TopicsWrong(LogError):
    """The topics are not what this cloud needs; the text says what to do."""


class KafkaGone(Exception):
    """Kafka could not be asked."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What one topic must be. Only settings that matter are named; the rest is the broker's."""

    name: str
    partitions: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """The names of one cloud's topics, and their numbers of partitions.

    `partitions` of events cannot be changed later: it decides where a stream's records lie.
    `replicas` 0 leaves it to the broker's `default.replication.factor`.
    """

    prefix: str = "sagastack"
    partitions: int = 12
    saga_partitions: int = 32
    replicas: int = 0

    @property
    def events(self) -> str:
        """Every row of the log, for ever."""
        return f"{self.prefix}.events"

    @property
    def relay(self) -> str:
        """How far the log is published."""
        return f"{self.prefix}.relay"

    @property
    def seals(self) -> str:
        """The seals of the log, for whoever keeps them elsewhere."""
        return f"{self.prefix}.seals"

    @property
    def sagas(self) -> str:
        """No records: its partitions say which controller drives which saga."""
        return f"{self.prefix}.sagas"

    def wanted(self) -> list[Topic]:
        events = FOREVER | AS_RECORDED | {"max.message.bytes": str(ROW_BYTES)}
        return [
            Topic(self.events, self.partitions, events),
            Topic(self.relay, 1, LATEST_ONLY),
            Topic(self.seals, 1, FOREVER | AS_RECORDED),
            Topic(self.sagas, self.saga_partitions, {}),
        ]


async def ensure(servers: str, topics: Topics) -> list[str]:
    """Make what is missing and check the rest; the names of those made.

    Raises `TopicsWrong`, or `KafkaGone` if there is no answer; both can be asked again.
    """
    try:
        async with asyncio.timeout(CONNECT_S + ASK_S):
            return await _ensure(servers, topics)
    except (KafkaError, OSError, TimeoutError) as error:
        told = str(error) or type(error).__name__
        raise KafkaGone(f"Kafka at {servers} could not be asked for its topics: {told}") from error


async def _ensure(servers: str, topics: Topics) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=int(ASK_S * 1_000))
    try:
        await admin.start()
        found = await _found(admin, topics.wanted())
        missing = [one for one in topics.wanted() if one.name not in found]
        await _check_pair(servers, topics, found)
        made = await _make(admin, missing, topics.replicas)
        await _check(admin, topics, await _settled(admin, topics.wanted()))
        return made
    finally:
        await admin.close()


async def _found(admin: AIOKafkaAdminClient, wanted: Sequence[Topic]) -> dict[str, int]:
    """The partitions of those topics that are there.

    All topics are asked for: a broker whose `auto.create.topics.enable` is as it comes makes what
    is asked for by its name, and with one partition.
    """
    names = {one.name for one in wanted}
    return {
        one["topic"]: len(one["partitions"])
        for one in await admin.describe_topics()
        if one["topic"] in names and one["error_code"] == 0 and one["partitions"]
    }


async def _settled(admin: AIOKafkaAdminClient, wanted: Sequence[Topic]) -> dict[str, int]:
    """The same once all of them are known to the broker: what was made is told a moment later."""
    while len(found := await _found(admin, wanted)) < len(wanted):
        await admin.list_topics()
    return found


async def _make(admin: AIOKafkaAdminClient, missing: Sequence[Topic], replicas: int) -> list[str]:
    """Make topics. Another controller may make them at the same moment: that is well."""
    if not missing:
        return []
    factor = replicas or await _default_replicas(admin)
    answer = await admin.create_topics(
        [
            NewTopic(one.name, one.partitions, factor, topic_configs=dict(one.settings))
            for one in missing
        ]
    )
    made = []
    for name, code, *rest in answer.topic_errors:
        kind = for_code(code)
        if not code:
            made.append(name)
        elif kind is not TopicAlreadyExistsError:
            told = (rest[0] if rest else "") or kind.__name__
            raise TopicsWrong(f"Kafka did not make the topic {name}: {told}")
    return made


async def _default_replicas(admin: AIOKafkaAdminClient) -> int:
    """What the broker itself would take for a topic that is made without a word about it."""
    nodes = await admin.describe_cluster()
    broker = ConfigResource(
        ConfigResourceType.BROKER,
        str(nodes["brokers"][0]["node_id"]),
        configs={"default.replication.factor": None},
    )
    settings = _settings(await admin.describe_configs([broker]))
    return int(next(iter(settings.values()))["default.replication.factor"])


async def _check_pair(servers: str, topics: Topics, found: Mapping[str, int]) -> None:
    """Events without a note how far they go, or the other way round, are not to be continued."""
    events, relay = topics.events in found, topics.relay in found
    if events == relay:
        return
    there, lacking = (topics.events, topics.relay) if events else (topics.relay, topics.events)
    if await _has_records(servers, there, found[there]):
        raise TopicsWrong(
            f"Kafka has the topic {there} and not {lacking}: how far the log is published can no "
            f"longer be told. Remove {there} too while no controller runs, or choose another "
            "prefix for the topics: the log is then published anew from its beginning"
        )


async def _has_records(servers: str, topic: str, partitions: int) -> bool:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers)
    try:
        await consumer.start()
        every = [TopicPartition(topic, number) for number in range(partitions)]
        return any((await consumer.end_offsets(every)).values())
    finally:
        await consumer.stop()


async def _check(admin: AIOKafkaAdminClient, topics: Topics, found: Mapping[str, int]) -> None:
    for one in topics.wanted():
        if found[one.name] != one.partitions:
            raise TopicsWrong(
                f"the topic {one.name} has {found[one.name]} partitions, this cloud is set to "
                f"{one.partitions}: set it to {found[one.name]}, on every controller. (Another "
                "number needs another prefix for the topics: records would change their place)"
            )
    asked = [ConfigResource(ConfigResourceType.TOPIC, one.name) for one in topics.wanted()]
    settings = _settings(await admin.describe_configs(asked))
    for one in topics.wanted():
        for name, value in one.settings.items():
            actual = settings[one.name].get(name)
            if actual != value:
                raise TopicsWrong(
                    f"the topic {one.name} has {name}={actual}, and must have {value}: "
                    f"kafka-configs.sh --alter --topic {one.name} --add-config {name}={value}"
                )


def _settings(answers: Sequence[Any]) -> dict[str, dict[str, str]]:
    """The settings of each resource, by its name."""
    found: dict[str, dict[str, str]] = {}
    for answer in answers:
        for code, message, _, name, entries, *_ in answer.resources:
            if code:
                raise TopicsWrong(f"Kafka does not tell the settings of {name}: {message}")
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found
