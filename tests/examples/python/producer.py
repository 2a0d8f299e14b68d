"""A direct producer with pika: joins, charges, holds and pays, with single commands and an array.

    AMQP_URL=amqp://guest:guest@127.0.0.1:5672/%2f python producer.py USER_ID SEAT_NUMBER
"""

import json
import os
import sys
import uuid
from datetime import datetime, timedelta, timezone

import pika

PARTITIONS = int(os.environ.get("ONSALE_PARTITIONS", "8"))


class Producer:
    """Asks one thing at a time; replies come back over the broker's direct reply-to."""

    def __init__(self, url):
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()
        self.channel.basic_consume("amq.rabbitmq.reply-to", self.on_reply, auto_ack=True)
        # A command that a full queue refuses then fails at once.
        self.channel.confirm_delivery()
        self.replies = {}

    def on_reply(self, _channel, _method, properties, body):
        self.replies[properties.correlation_id] = json.loads(body)

    def ask(self, lane, key, body):
        correlation_id = str(uuid.uuid4())
        properties = pika.BasicProperties(
            content_type="application/json",
            type="onsale.command.v1",
            message_id=correlation_id,
            correlation_id=correlation_id,
            reply_to="amq.rabbitmq.reply-to",
            delivery_mode=2,
        )
        # Not mandatory: a direct reply is reported as returned although it is delivered.
        self.channel.basic_publish("onsale.commands", f"{lane}.{key % PARTITIONS}", json.dumps(body), properties)
        while correlation_id not in self.replies:
            self.connection.process_data_events(time_limit=1)
        return self.replies.pop(correlation_id)


def command(name, data, token=None):
    deadline = datetime.now(timezone.utc) + timedelta(seconds=10)
    made = {"id": str(uuid.uuid4()), "command": name, "deadline": deadline.isoformat(), "data": data}
    if token:
        made["token"] = token
    return made


def done(reply):
    if not reply["ok"]:
        sys.exit(f"rejected: {reply['error']}")
    return reply["data"]


def main():
    user, number, schedule = int(sys.argv[1]), int(sys.argv[2]), 1
    producer = Producer(os.environ["AMQP_URL"])
    join = command("IssueToken", {"userId": user, "scheduleId": schedule})
    token = done(producer.ask("admission", schedule, join))["token"]
    # An array is answered as an array, in its order.
    charges = [command("ChargeBalance", {"userId": user, "amount": 50_000}, token) for _ in range(2)]
    replies = producer.ask("account", user, charges)
    assert [reply["id"] for reply in replies] == [charge["id"] for charge in charges]
    assert done(replies[1])["currentBalance"] == 100_000, replies
    seat = schedule * 2**29 + number
    hold = command("HoldSeats", {"scheduleId": schedule, "seatIds": [seat], "userId": user}, token)
    held = producer.ask("reservation", schedule, hold)
    assert producer.ask("reservation", schedule, hold) == held, "the same id gets the same outcome"
    pay = {"reservationId": done(held)["reservationId"], "paymentMethod": "BALANCE", "userId": user}
    paid = done(producer.ask("payment", schedule, command("Pay", pay, token)))
    print(json.dumps(paid))


if __name__ == "__main__":
    main()
