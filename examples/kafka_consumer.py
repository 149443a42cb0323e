"""Prints every event of the topic, each once, in the order of its conversation."""

import os

from confluent_kafka import Consumer
from parley.v1.event_pb2 import Event

servers = os.environ.get("KAFKA", "localhost:9092")
consumer = Consumer({"bootstrap.servers": servers, "group.id": "example", "auto.offset.reset": "earliest"})
consumer.subscribe([os.environ.get("TOPIC", "parley.events")])
last: dict[str, int] = {}  # a real consumer keeps this where it keeps what it makes of the events
while True:
    record = consumer.poll(1)
    if record is None or record.error():
        continue
    conversation, headers = record.key().decode(), dict(record.headers())
    if record.value() is None:
        print(conversation, "is gone", flush=True)
    elif (sequence := int(headers["sequence"])) > last.get(conversation, 0):
        last[conversation] = sequence
        print(conversation, sequence, headers["kind"].decode(), Event.FromString(record.value()), flush=True)
