"""The example of a sink of one's own, against a stand-in for the client of Kafka that fails as that one does."""

import json
from datetime import timedelta
from typing import Any

import pytest
from examples.kafka_sink import KafkaSink, StandIn

from tektree import Policy, TekTree
from tektree.testing import ManualClock
from tests.lanes import enter


class Failing(StandIn):
    """As the client: what fails is told by a callback, or left behind by ``flush``, or the queue is full."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: str | None = None
        self.left = 0

    def produce(self, topic: str, *, key: str, value: bytes, on_delivery: Any) -> None:
        if self.fault == "full":
            self.fault = None
            raise BufferError("Local: Queue full")
        if self.fault == "callback":
            on_delivery("no", None)
        elif self.fault == "left behind":
            self.left += 1
        else:
            super().produce(topic, key=key, value=value, on_delivery=on_delivery)

    def flush(self, timeout: float) -> int:
        return self.left


@pytest.mark.parametrize("fault", [None, "full", "callback", "left behind"])
def test_every_event_reaches_the_topic_in_the_order_of_its_stream(fault: str | None) -> None:
    enter("memory")
    clock, producer = ManualClock(), Failing()
    tek = TekTree.in_memory(policy=Policy(events={"sinks": ["kafka"]}, achievements=()), clock=clock)
    tek.events.relay.add(KafkaSink(producer, "events"))
    ada = tek.gamification.enroll(uid="usr_ada").user_id
    for amount in (1, 2, 3):
        tek.gamification.award(ada, "manual", amount=amount, key=f"{amount}")
    producer.fault = fault
    published = tek.events.relay.run_once(due_only=True).published
    assert published == (0 if fault in {"callback", "left behind"} else 3)
    producer.fault, producer.left = None, 0
    clock.advance(timedelta(minutes=1))
    tek.events.relay.run_once(due_only=True)
    events = [json.loads(value) for _, _, value in producer.sent]
    assert [each["data"]["amount"] for each in events] == [1, 2, 3]
    assert {key for _, key, _ in producer.sent} == {"user:usr_ada:xp"}
