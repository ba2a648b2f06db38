#!/usr/bin/env python3
"""Writes orders.jsonl: 3,000 lines that hold every case of the shop, the same on every run."""
import json
import pathlib
import random

LINES = 3000
random.seed(20261124)


def items(*first):
    more = [f"sku-{random.randrange(500)}" for _ in range(random.randrange(1, 4) if not first else random.randrange(2))]
    return [{"sku": sku, "qty": random.randrange(1, 9)} for sku in [*first, *more]]


def order(order_id, *skus, customer=None, cents=None, version=None):
    cents = random.randrange(100, 90_000) if cents is None else cents
    line = {
        "order_id": order_id,
        "customer": customer or f"customer-{random.randrange(300)}",
        "region": random.choice(["eu", "us", "apac"]),
        "items": items(*skus),
    }
    if (version or random.choice([1, 2])) == 2:
        line["total_cents"] = cents
    else:
        line["total"] = f"{cents // 100}.{cents % 100:02d}"
    return line


good = order("template", version=2)
BROKEN = [
    {**good, "order_id": ""}, {**good, "order_id": "a" * 65}, {**good, "order_id": "a b"}, {**good, "order_id": "ä"},
    {**good, "order_id": 7}, {**good, "customer": None}, {**good, "customer": 5}, {**good, "region": "EU"},
    {**good, "region": ""}, {**good, "items": []}, {**good, "items": {}}, {**good, "items": [{"sku": "", "qty": 1}]},
    {**good, "items": [{"sku": "a", "qty": 0}]}, {**good, "items": [{"sku": "a", "qty": 1001}]},
    {**good, "items": [{"sku": "a", "qty": 1.0}]}, {**good, "items": [{"sku": "a", "qty": "1"}]},
    {**good, "items": [{"sku": "a"}]}, {**good, "items": ["a"]}, {**good, "total_cents": -1},
    {**good, "total_cents": 1.5}, {**good, "total_cents": 12.0}, {**good, "total_cents": "12"},
    {**good, "total": "1.00"}, {**good, "total": None}, {**good, "total_cents": None},
    {k: v for k, v in good.items() if k != "total_cents"}, {k: v for k, v in good.items() if k != "region"},
    {"as_is": 5}, {"as_is": "x", "more": 1}, [good], "text", 5, None, {},
    *({**{k: v for k, v in good.items() if k != "total_cents"}, "total": total}
      for total in ["", ".5", "5.", "1.234", "-1", "+1", "1e3", " 1", "1,00", 5, "99999999999999999999"]),
]
RAW = [b'{"order_id": "cut', b"\xff\xfe", b'{"order_id":"bad-utf8-\xc3"}', b"not json", b"{}}", b"\xef\xbb\xbf{}", b"[", b'{"a":1e999}']
FOREIGN = ["", "hello", "{}", "[1,2", '{"specversion":"1.0"}', '{"specversion":"1.0","id":"1","source":"/x","type":"order.placed.v2"',
           '{"id":"1","source":"/x","type":"order.placed.v2","data":{}}', "\u0000\u0001", "ä€😀", "null", '{"order_id":"o-1"}']

lines = []
lines += [json.dumps(value, ensure_ascii=False).encode() for value in BROKEN]
lines += RAW
lines += [json.dumps({"as_is": text}).encode() for text in FOREIGN for _ in range(2)]
special = []
for number in range(12):
    special += [
        order(f"none-{number:03d}", f"none-{number}"), order(f"none-{number:02d}7", f"none-{number}"),
        order(f"big-{number:03d}", cents=random.randrange(1_000_001, 9_000_000)),
        order(f"big-{number:02d}7", cents=1_000_001), order(f"big-{number:01d}77", cents=2_000_000),
        order(f"edge-{number:03d}0", cents=1_000_000), order(f"free-{number:03d}0", cents=0),
        order(f"thief-{number:03d}", customer="card-thief"), order(f"thief-{number:02d}7", customer="card-thief"),
        order(f"thief-big-{number:03d}0", customer="card-thief", cents=5_000_000),
        order(f"panic-{number:03d}", "panic"), order(f"panic-{number:02d}7", "panic"), order(f"panic-{number:01d}77", "panic"),
        order(f"both-{number:03d}", "panic", f"none-{number}"), order(f"ok-{number}7"), order(f"ok-{number}77"),
    ]
for number in range(3):
    special += [order(f"ok-{number}777"), order(f"thief-{number}777", customer="card-thief"),
                order(f"panic-{number}777", "panic"), order(f"big-{number}777", cents=3_000_000),
                order(f"none-{number}777", "none-x")]
special += [{**order(f"extra-{number}0"), "note": "ignored", "as_is": "ignored"} for number in range(5)]
special += [{**order(f"id_{'x' * 60}{number}")} for number in range(1)]
orders = special + [order(f"o-{number:05d}") for number in range(LINES)]
encoded = [json.dumps(value, ensure_ascii=random.random() < 0.5).encode() for value in orders]
doubled = [json.dumps({**random.choice(orders), "customer": "again"}).encode() for _ in range(140)]
blank = [b"", b"   ", b"\t"]
room = LINES - len(lines) - len(doubled)
encoded = encoded[:room]
lines += encoded
random.shuffle(lines)
# A duplicate comes after its first line: at the end, mixed with nothing that matters.
lines += doubled
assert len(lines) == LINES, len(lines)
out = bytearray()
for number, line in enumerate(lines):
    out += line + (b"\r\n" if number % 50 == 0 else b"\n")
    if number % 700 == 0:
        out += random.choice(blank) + b"\n"
pathlib.Path(__file__).with_name("orders.jsonl").write_bytes(bytes(out))
