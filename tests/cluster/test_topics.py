"""Topics are made as they must be; one that is not is told, with what to do."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from engine.cluster.topics import KafkaGone, Topics, TopicsWrong, ensure
from tests.cluster.relay_help import eventually
from tests.peers.kafka import Kafka


async def admin_of(kafka: Kafka) -> AIOKafkaAdminClient:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.servers)
    await admin.start()
    return admin


async def set_by_hand(kafka: Kafka, topic: str, name: str, value: str) -> None:
    """Returns when the broker tells the new value: it does so a moment later."""
    admin = await admin_of(kafka)
    changed = ConfigResource(ConfigResourceType.TOPIC, topic, configs={name: value})
    await admin.alter_configs([changed])
    asked = ConfigResource(ConfigResourceType.TOPIC, topic, configs={name: None})

    async def told() -> bool:
        entries = (await admin.describe_configs([asked]))[0].resources[0][4]
        return bool(entries[0][1] == value)

    await eventually(told)
    await admin.close()


async def test_they_are_made_once_and_then_found(kafka: Kafka) -> None:
    topics = Topics(prefix=kafka.prefix, partitions=3, saga_partitions=4)
    made = await ensure(kafka.servers, topics)
    assert made == [topics.events, topics.relay, topics.seals, topics.sagas]
    assert await ensure(kafka.servers, topics) == []
    admin = await admin_of(kafka)
    found = {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics(made)}
    await admin.close()
    assert found == dict(zip(made, (3, 1, 1, 4), strict=True))


async def test_no_topic_is_asked_for_by_its_name(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apache's broker, as it comes, makes what is asked for so, with one partition."""
    asked: list[list[str] | None] = []
    ask = AIOKafkaAdminClient._get_cluster_metadata

    async def heard(self: AIOKafkaAdminClient, topics: list[str] | None = None) -> object:
        asked.append(topics)
        return await ask(self, topics)

    monkeypatch.setattr(AIOKafkaAdminClient, "_get_cluster_metadata", heard)
    await ensure(kafka.servers, Topics(prefix=kafka.prefix))
    assert asked and all(one is None for one in asked)


async def test_another_number_of_partitions_is_refused(kafka: Kafka) -> None:
    await ensure(kafka.servers, Topics(prefix=kafka.prefix, partitions=3))
    with pytest.raises(TopicsWrong, match=r"has 3 partitions, .* set to 4: set it to 3"):
        await ensure(kafka.servers, Topics(prefix=kafka.prefix, partitions=4))


async def test_a_log_that_would_be_forgotten_is_refused(kafka: Kafka) -> None:
    topics = Topics(prefix=kafka.prefix)
    await ensure(kafka.servers, topics)
    await set_by_hand(kafka, topics.events, "retention.ms", "604800000")
    with pytest.raises(TopicsWrong, match=r"--alter --topic .*\.events --add-config retention.ms"):
        await ensure(kafka.servers, topics)


async def test_what_was_made_by_hand_is_taken_if_it_is_right(kafka: Kafka) -> None:
    topics = Topics(prefix=kafka.prefix)
    admin = await admin_of(kafka)
    await admin.create_topics([NewTopic(topics.sagas, topics.saga_partitions, 1)])
    await admin.close()
    assert topics.sagas not in await ensure(kafka.servers, topics)


async def test_events_without_a_note_how_far_they_go_are_not_continued(kafka: Kafka) -> None:
    topics = Topics(prefix=kafka.prefix)
    await ensure(kafka.servers, topics)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.servers)
    await producer.start()
    await producer.send_and_wait(topics.events, b"{}", key=b"somebody")
    await producer.stop()
    admin = await admin_of(kafka)
    await admin.delete_topics([topics.relay])

    async def gone() -> bool:
        return topics.relay not in await admin.list_topics()

    await eventually(gone)
    await admin.close()
    with pytest.raises(TopicsWrong, match="published anew"):
        await ensure(kafka.servers, topics)


async def test_a_broker_that_is_not_there_is_told_as_such() -> None:
    with pytest.raises(KafkaGone, match=r"127\.0\.0\.1:9"):
        await ensure("127.0.0.1:9", Topics())
