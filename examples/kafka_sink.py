"""A sink of one's own: every event goes to a topic of Kafka, those of a stream in order. A stand-in is the producer."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tektree import Policy, TekTree, Unavailable
from tektree.catalog import to_cloudevent
from tektree.models.events import Event


class KafkaSink:
    """``producer`` is a ``confluent_kafka.Producer``, made with ``enable.idempotence``: retries keep the order then."""

    name = "kafka"

    def __init__(self, producer: Any, topic: str) -> None:
        self._producer, self._topic = producer, topic

    def publish(self, events: Sequence[Event], again: bool) -> Mapping[str, Exception]:
        """Comes back when the broker has all of them; else they are brought again, later."""
        lost: list[object] = []
        for event in events:
            key = event.metadata.get("stream") or event.event_id
            value = json.dumps(to_cloudevent(event)).encode()
            options = {"key": key, "value": value, "on_delivery": lambda error, _: error and lost.append(error)}
            try:
                self._producer.produce(self._topic, **options)
            except BufferError:  # its queue is full: what is in it goes first
                self._producer.flush(10.0)
                self._producer.produce(self._topic, **options)
        if self._producer.flush(10.0) or lost:
            raise Unavailable("Kafka")
        return {}


class StandIn:
    """A producer that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, bytes]] = []

    def produce(self, topic: str, *, key: str, value: bytes, on_delivery: Any) -> None:
        """Takes a message."""
        self.sent.append((topic, key, value))

    def flush(self, timeout: float) -> int:
        """How many messages are left."""
        return 0


if __name__ == "__main__":
    tek, producer = TekTree.in_memory(policy=Policy.from_toml('events.sinks = ["kafka"]')), StandIn()
    tek.events.relay.add(KafkaSink(producer, "tektree-events"))
    ada = tek.gamification.enroll(uid="usr_ada").user_id
    tek.gamification.award(ada, "manual", amount=300)
    published = tek.events.relay.run_once().published
    print(f"{published} events went to the topic, all with the key {producer.sent[0][1]}")
