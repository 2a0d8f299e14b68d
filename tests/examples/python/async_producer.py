"""A direct producer with aio-pika: joins, charges, holds and pays, many commands under way on one channel.

    AMQP_URL=amqp://guest:guest@127.0.0.1:5672/%2f python async_producer.py USER_ID SEAT_NUMBER
"""

import asyncio
import json
import os
import sys
import uuid
from datetime import datetime, timedelta, timezone

import aio_pika

PARTITIONS = int(os.environ.get("ONSALE_PARTITIONS", "8"))


class Producer:
    """Replies come to a queue of its own, and find who asked by their correlation id."""

    def __init__(self, exchange, replies):
        self.exchange, self.replies, self.waiting = exchange, replies, {}

    @classmethod
    async def start(cls, connection):
        channel = await connection.channel(publisher_confirms=True)
        exchange = await channel.get_exchange("onsale.commands", ensure=False)
        producer = cls(exchange, await channel.declare_queue(exclusive=True, auto_delete=True))
        await producer.replies.consume(producer.on_reply, no_ack=True)
        return producer

    async def on_reply(self, message):
        self.waiting.pop(message.correlation_id).set_result(json.loads(message.body))

    async def ask(self, lane, key, body):
        correlation_id = str(uuid.uuid4())
        reply = self.waiting[correlation_id] = asyncio.get_running_loop().create_future()
        message = aio_pika.Message(
            json.dumps(body).encode(),
            content_type="application/json",
            type="onsale.command.v1",
            message_id=correlation_id,
            correlation_id=correlation_id,
            reply_to=self.replies.name,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        # A full queue refuses: DeliveryError. What no queue takes is answered UNROUTABLE, not returned.
        await self.exchange.publish(message, f"{lane}.{key % PARTITIONS}", mandatory=False)
        return await asyncio.wait_for(reply, timeout=10)


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


async def main():
    user, number, schedule = int(sys.argv[1]), int(sys.argv[2]), 1
    async with await aio_pika.connect_robust(os.environ["AMQP_URL"]) as connection:
        producer = await Producer.start(connection)
        join = command("IssueToken", {"userId": user, "scheduleId": schedule})
        token = done(await producer.ask("admission", schedule, join))["token"]
        # Several at once: each reply finds its asker, whatever order they come in.
        charge = lambda: producer.ask("account", user, command("ChargeBalance", {"userId": user, "amount": 50_000}, token))
        charged = [done(reply)["currentBalance"] for reply in await asyncio.gather(charge(), charge())]
        assert sorted(charged) == [50_000, 100_000], charged
        seat = schedule * 2**29 + number
        hold = command("HoldSeats", {"scheduleId": schedule, "seatIds": [seat], "userId": user}, token)
        held = await producer.ask("reservation", schedule, hold)
        again = await producer.ask("reservation", schedule, [hold, hold])
        assert again == [held, held], "the same id gets the same outcome"
        pay = {"reservationId": done(held)["reservationId"], "paymentMethod": "BALANCE", "userId": user}
        print(json.dumps(done(await producer.ask("payment", schedule, command("Pay", pay, token)))))


if __name__ == "__main__":
    asyncio.run(main())
