// A direct producer with amqplib: joins, charges, holds and pays, with single commands and an array.
//
//     AMQP_URL=amqp://guest:guest@127.0.0.1:5672/%2f node producer.js USER_ID SEAT_NUMBER
'use strict';

const { randomUUID } = require('node:crypto');
const amqp = require('amqplib');

const PARTITIONS = Number(process.env.ONSALE_PARTITIONS ?? 8);

function command(name, data, token) {
  const deadline = new Date(Date.now() + 10_000).toISOString();
  return { id: randomUUID(), command: name, deadline, data, ...(token && { token }) };
}

function done(reply) {
  if (!reply.ok) throw new Error(`rejected: ${JSON.stringify(reply.error)}`);
  return reply.data;
}

async function main() {
  const [user, number] = process.argv.slice(2).map(Number);
  const schedule = 1;
  const connection = await amqp.connect(process.env.AMQP_URL);
  const channel = await connection.createConfirmChannel();
  const waiting = new Map();
  const { queue } = await channel.assertQueue('', { exclusive: true, autoDelete: true });
  await channel.consume(
    queue,
    (message) => waiting.get(message.properties.correlationId)?.(JSON.parse(message.content)),
    { noAck: true },
  );

  function ask(lane, key, body) {
    const correlationId = randomUUID();
    return new Promise((resolve, reject) => {
      waiting.set(correlationId, resolve);
      const options = {
        contentType: 'application/json',
        type: 'onsale.command.v1',
        messageId: correlationId,
        correlationId,
        replyTo: queue,
        persistent: true,
      };
      const content = Buffer.from(JSON.stringify(body));
      // The confirm's error is a full queue.
      channel.publish('onsale.commands', `${lane}.${key % PARTITIONS}`, content, options, (refused) => {
        if (refused) reject(refused);
      });
    });
  }

  const { token } = done(await ask('admission', schedule, command('IssueToken', { userId: user, scheduleId: schedule })));
  const charges = [1, 2].map(() => command('ChargeBalance', { userId: user, amount: 50_000 }, token));
  const replies = await ask('account', user, charges);
  if (replies[1].id !== charges[1].id || done(replies[1]).currentBalance !== 100_000) throw new Error('out of order');
  const seatIds = [schedule * 2 ** 29 + number];
  const held = done(await ask('reservation', schedule, command('HoldSeats', { scheduleId: schedule, seatIds, userId: user }, token)));
  const pay = { reservationId: held.reservationId, paymentMethod: 'BALANCE', userId: user };
  console.log(JSON.stringify(done(await ask('payment', schedule, command('Pay', pay, token)))));
  await connection.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
