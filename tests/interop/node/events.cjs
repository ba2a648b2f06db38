// Writes and reads CloudEvents with the JavaScript SDK, over JetStream.
//
//   events.cjs write structured|binary URL STREAM SUBJECT < events.json
//   events.cjs read URL STREAM SUBJECT COUNT > events, a line each
//
// The SDK has no binding for NATS: its HTTP binding makes the message, and its headers are sent as they are,
// so that a binary one says `content-type` where the specification of the NATS binding has
// `ce-datacontenttype`.

const { readFileSync } = require("node:fs");
const { CloudEvent, HTTP } = require("cloudevents");
const { AckPolicy, connect, headers: createHeaders } = require("nats");

async function write(mode, url, stream, subject) {
  const wanted = JSON.parse(readFileSync(0, "utf8"));
  const client = await connect({ servers: url });
  for (const attributes of wanted) {
    const event = new CloudEvent(attributes);
    const message = mode === "structured" ? HTTP.structured(event) : HTTP.binary(event);
    const headers = createHeaders();
    for (const [name, value] of Object.entries(message.headers)) {
      headers.append(name, String(value));
    }
    await client.jetstream().publish(subject, message.body, { headers, expect: { streamName: stream } });
  }
  await client.close();
}

async function read(url, stream, subject, count) {
  const client = await connect({ servers: url });
  const manager = await client.jetstreamManager();
  const { name } = await manager.consumers.add(stream, {
    filter_subject: subject,
    ack_policy: AckPolicy.None,
  });
  const consumer = await client.jetstream().consumers.get(stream, name);
  let left = Number(count);
  while (left > 0) {
    for await (const received of await consumer.fetch({ max_messages: left, expires: 10000 })) {
      left -= 1;
      const headers = {};
      for (const [header, values] of received.headers ?? []) {
        headers[header] = values[0];
      }
      const event = HTTP.toEvent({ headers, body: received.string() });
      event.validate();
      console.log(JSON.stringify(event));
    }
  }
  await client.close();
}

setTimeout(() => {
  console.error("not done within 20 s");
  process.exit(1);
}, 20000).unref();

const [command, ...parameters] = process.argv.slice(2);
({ write, read })[command](...parameters).catch((error) => {
  console.error(error);
  process.exit(1);
});
