// The work on Watermill, as its documentation shows it, at its best settings: docs/performance.md says which.
//
//	watermill consume|publish EVENTS IN_FLIGHT SERVER
//
// Says `begin` at its first event and `end NUMBER` after its last one, where NUMBER is the sum of all orders' numbers;
// then it waits to be ended.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
)

// Customer is who pays for an order.
type Customer struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Order is the event that all programs send and receive.
type Order struct {
	OrderID     string   `json:"order_id"`
	Region      string   `json:"region"`
	Number      uint64   `json:"number"`
	Customer    Customer `json:"customer"`
	AmountCents int64    `json:"amount_cents"`
	Currency    string   `json:"currency"`
	Items       uint32   `json:"items"`
	SentNanos   uint64   `json:"sent_nanos"`
}

// Received is what has to be read of an event: who it is, what it is, and its data.
type Received struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	Type   string `json:"type"`
	Data   Order  `json:"data"`
}

// Sent is a whole event, in the order in which event-runtime writes it.
type Sent struct {
	SpecVersion     string `json:"specversion"`
	ID              string `json:"id"`
	Source          string `json:"source"`
	Type            string `json:"type"`
	Time            string `json:"time"`
	DataContentType string `json:"datacontenttype"`
	DataSchema      string `json:"dataschema"`
	PartitionKey    string `json:"partitionkey"`
	Data            Order  `json:"data"`
}

func numbered(number uint64) Order {
	return Order{
		OrderID:     fmt.Sprintf("ord-%010d", number),
		Region:      [...]string{"eu", "us", "asia"}[number%3],
		Number:      number,
		Customer:    Customer{fmt.Sprintf("c-%05d", number%50_000), "Grace Hopper", "grace.hopper@example.com"},
		AmountCents: 12_999,
		Currency:    "EUR",
		Items:       3,
		SentNanos:   1_000_000_000_000,
	}
}

func consume(events uint64, server string) error {
	subscriber, err := wnats.NewSubscriber(wnats.SubscriberConfig{
		URL:         server,
		Unmarshaler: &wnats.NATSMarshaler{},
		JetStream: wnats.JetStreamConfig{
			// The default waits for an answer to each acknowledgement.
			AckAsync:         true,
			DurablePrefix:    "peer",
			SubscribeOptions: []nats.SubOpt{nats.DeliverAll(), nats.AckExplicit(), nats.MaxAckPending(20_000)},
		},
	}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	var seen, sum atomic.Uint64
	router.AddConsumerHandler("count", "orders.*.placed", subscriber, func(msg *message.Message) error {
		var received Received
		if err := json.Unmarshal(msg.Payload, &received); err != nil {
			return err
		}
		if received.Type != "order.placed.v1" {
			return fmt.Errorf("an event of the type %q came", received.Type)
		}
		number := sum.Add(received.Data.Number)
		switch seen.Add(1) {
		case 1:
			fmt.Println("begin")
		case events:
			fmt.Println("end", number)
		}
		return nil
	})
	return router.Run(context.Background())
}

func publish(events, inFlight uint64, server string) error {
	publisher, err := wnats.NewPublisher(wnats.PublisherConfig{
		URL:       server,
		Marshaler: &wnats.NATSMarshaler{},
		JetStream: wnats.JetStreamConfig{TrackMsgId: true},
	}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	fmt.Println("begin")
	var next, sum atomic.Uint64
	var all sync.WaitGroup
	for range inFlight {
		all.Go(func() {
			for {
				number := next.Add(1) - 1
				if number >= events {
					return
				}
				if err := send(publisher, numbered(number)); err != nil {
					log.Fatal(err)
				}
				sum.Add(number)
			}
		})
	}
	all.Wait()
	fmt.Println("end", sum.Load())
	select {}
}

func send(publisher *wnats.Publisher, order Order) error {
	id := watermill.NewUUID()
	body, err := json.Marshal(Sent{
		SpecVersion:     "1.0",
		ID:              id,
		Source:          "/bench",
		Type:            "order.placed.v1",
		Time:            time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		DataContentType: "application/json",
		DataSchema:      "urn:bench:order.placed:1",
		PartitionKey:    order.OrderID,
		Data:            order,
	})
	if err != nil {
		return err
	}
	msg := message.NewMessage(id, body)
	msg.Metadata.Set("Content-Type", "application/cloudevents+json")
	return publisher.Publish("orders."+order.Region+".placed", msg)
}

func run() error {
	if len(os.Args) != 5 {
		return fmt.Errorf("usage: watermill consume|publish EVENTS IN_FLIGHT SERVER")
	}
	events, err := strconv.ParseUint(os.Args[2], 10, 64)
	if err != nil {
		return err
	}
	inFlight, err := strconv.ParseUint(os.Args[3], 10, 64)
	if err != nil {
		return err
	}
	if os.Args[1] == "publish" {
		return publish(events, inFlight, os.Args[4])
	}
	return consume(events, os.Args[4])
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}
