"""The work on FastStream, as its documentation shows it, at its best settings: docs/performance.md says which.

    main.py consume|publish EVENTS IN_FLIGHT SERVER

Says `begin` at its first event and `end NUMBER` after its last one, where NUMBER is the sum of all orders' numbers;
then it waits to be ended.
"""

import asyncio
import sys
from datetime import datetime, timezone
from typing import Literal
from uuid import uuid4

import uvloop
from faststream import FastStream
from faststream.nats import JStream, NatsBroker, PullSub
from nats.js.api import ConsumerConfig
from pydantic import BaseModel

STREAM = JStream("ORDERS", declare=False)


class Customer(BaseModel):
    """Who pays for an order."""

    id: str
    name: str
    email: str


class Order(BaseModel):
    """The event that all programs send and receive."""

    order_id: str
    region: str
    number: int
    customer: Customer
    amount_cents: int
    currency: str
    items: int
    sent_nanos: int


class Received(BaseModel):
    """What has to be read of an event: who it is, what it is, and its data."""

    id: str
    source: str
    type: Literal["order.placed.v1"]
    data: Order


class Sent(BaseModel):
    """A whole event, in the order in which event-runtime writes it."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    datacontenttype: str
    dataschema: str
    partitionkey: str
    data: Order


def numbered(number: int) -> Order:
    return Order(
        order_id=f"ord-{number:010}",
        region=("eu", "us", "asia")[number % 3],
        number=number,
        customer=Customer(
            id=f"c-{number % 50_000:05}",
            name="Grace Hopper",
            email="grace.hopper@example.com",
        ),
        amount_cents=12_999,
        currency="EUR",
        items=3,
        sent_nanos=1_000_000_000_000,
    )


async def consume(broker: NatsBroker, events: int) -> None:
    seen = total = 0

    @broker.subscriber(
        "orders.*.placed",
        stream=STREAM,
        durable="peer",
        pull_sub=PullSub(batch_size=500),
        config=ConsumerConfig(max_ack_pending=20_000),
    )
    async def count(event: Received) -> None:
        nonlocal seen, total
        seen += 1
        total += event.data.number
        if seen == 1:
            print("begin", flush=True)
        if seen == events:
            print("end", total, flush=True)

    await FastStream(broker, logger=None).run()


async def publish(broker: NatsBroker, events: int, in_flight: int) -> None:
    await broker.start()
    numbers = iter(range(events))
    total = 0

    async def worker() -> None:
        nonlocal total
        for number in numbers:
            await send(broker, numbered(number))
            total += number

    print("begin", flush=True)
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    print("end", total, flush=True)
    await asyncio.Event().wait()


async def send(broker: NatsBroker, order: Order) -> None:
    id = str(uuid4())
    now = datetime.now(timezone.utc)
    event = Sent(
        specversion="1.0",
        id=id,
        source="/bench",
        type="order.placed.v1",
        time=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        datacontenttype="application/json",
        dataschema="urn:bench:order.placed:1",
        partitionkey=order.order_id,
        data=order,
    )
    await broker.publish(
        event,
        f"orders.{order.region}.placed",
        stream="ORDERS",
        headers={"content-type": "application/cloudevents+json", "Nats-Msg-Id": id},
    )


async def main(work: str, events: str, in_flight: str, server: str) -> None:
    # Without a logger, nothing is logged about each event.
    broker = NatsBroker(server, logger=None)
    if work == "publish":
        await publish(broker, int(events), int(in_flight))
    else:
        await consume(broker, int(events))


# As `faststream run` does where uvloop is installed.
uvloop.run(main(*sys.argv[1:]))
