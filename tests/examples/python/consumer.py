"""A consumer of events with pika: hears what happens to seats and payments, and tells each thing once.

    AMQP_URL=amqp://guest:guest@127.0.0.1:5672/%2f python consumer.py QUEUE [COUNT]

Events come at least once, and for the first time in the order of their sequence. The queue is durable: what happens while
the consumer is away waits in it. With COUNT it ends after so many events, else it goes on.
"""

import json
import os
import sys

import pika

PATTERNS = ["onsale.seats.*", "onsale.payment.completed"]


class Consumer:
    def __init__(self, queue, count):
        self.queue, self.count = queue, count
        # A consumer with effects of its own keeps the ids with them, in the same transaction.
        self.seen = set()

    def on_event(self, channel, method, _properties, body):
        event = json.loads(body)
        if event["id"] not in self.seen:
            self.seen.add(event["id"])
            print(event["sequence"], event["type"], event["subject"], json.dumps(event["data"]), flush=True)
        # Only now: whatever ends this process before, the event comes again.
        channel.basic_ack(method.delivery_tag)
        if self.count and len(self.seen) >= self.count:
            channel.stop_consuming()

    def run(self, url):
        connection = pika.BlockingConnection(pika.URLParameters(url))
        channel = connection.channel()
        channel.queue_declare(self.queue, durable=True)
        for pattern in PATTERNS:
            channel.queue_bind(self.queue, "onsale.events", pattern)
        channel.basic_qos(prefetch_count=100)
        channel.basic_consume(self.queue, self.on_event)
        print(f"listening to {', '.join(PATTERNS)}", file=sys.stderr, flush=True)
        channel.start_consuming()
        connection.close()


if __name__ == "__main__":
    Consumer(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0).run(os.environ["AMQP_URL"])
