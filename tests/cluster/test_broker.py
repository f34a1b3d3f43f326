"""The broker that tests are given is Kafka itself: it keeps its records through a crash."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.peers.kafka import Kafka


async def test_what_was_committed_is_there_after_a_crash_and_what_was_not_is_unread(
    kafka: Kafka,
) -> None:
    topic = f"{kafka.prefix}.plain"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=kafka.servers, transactional_id=kafka.prefix)
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait(topic, b"whole")
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b"half")
    await producer.abort_transaction()
    await producer.stop()

    await asyncio.to_thread(kafka.broker.kill)
    await asyncio.to_thread(kafka.broker.start)

    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    await consumer.start()
    try:
        first = await asyncio.wait_for(consumer.getone(), 30)
        rest = await consumer.getmany(timeout_ms=500)
    finally:
        await consumer.stop()
    assert (first.value, rest) == (b"whole", {})
