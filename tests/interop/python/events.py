"""Writes and reads CloudEvents with the Python SDK, over JetStream.

    events.py write structured|binary URL STREAM SUBJECT < events.json
    events.py read URL STREAM SUBJECT COUNT > events, a line each

The SDK has no binding for NATS: its HTTP binding makes the message, and a binary one gets the header
`ce-datacontenttype` in place of `content-type`, as the specification of the NATS binding says.
"""

import asyncio
import json
import sys
from datetime import datetime

import nats
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent
from nats.js.api import AckPolicy, ConsumerConfig


async def write(mode, url, stream, subject):
    wanted = json.load(sys.stdin)
    client = await nats.connect(url)
    for attributes in wanted:
        data = attributes.pop("data")
        if "time" in attributes:
            attributes["time"] = datetime.fromisoformat(attributes["time"].replace("Z", "+00:00"))
        event = CloudEvent(attributes, data)
        if mode == "structured":
            message = http.to_structured_event(event)
            headers = message.headers
        else:
            message = http.to_binary_event(event)
            headers = dict(message.headers)
            content_type = headers.pop("content-type", None)
            if content_type:
                headers["ce-datacontenttype"] = content_type
        await client.jetstream().publish(
            subject, message.body, stream=stream, headers=headers, timeout=10
        )
    await client.close()


async def read(url, stream, subject, count):
    client = await nats.connect(url)
    subscription = await client.jetstream().pull_subscribe(
        subject, stream=stream, config=ConsumerConfig(ack_policy=AckPolicy.NONE)
    )
    left = int(count)
    while left > 0:
        for received in await subscription.fetch(left, timeout=10):
            left -= 1
            message = http.HTTPMessage(headers=received.headers or {}, body=received.data)
            event = http.from_http_event(message)
            attributes = dict(event.get_attributes(), data=event.get_data())
            attributes["time"] = attributes["time"].isoformat()
            print(json.dumps(attributes))
    await client.close()


COMMANDS = {"write": write, "read": read}
asyncio.run(asyncio.wait_for(COMMANDS[sys.argv[1]](*sys.argv[2:]), 20))
