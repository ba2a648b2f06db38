// Writes and reads CloudEvents with the Go SDK and its JetStream binding.
//
//	events write structured|binary URL STREAM SUBJECT < events.json
//	events read URL STREAM SUBJECT COUNT > events, a line each
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	nats "github.com/cloudevents/sdk-go/protocol/nats_jetstream/v2"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var err error
	switch arguments := os.Args[1:]; arguments[0] {
	case "write":
		err = write(ctx, arguments[1], arguments[2], arguments[3], arguments[4])
	case "read":
		err = read(ctx, arguments[1], arguments[2], arguments[3], arguments[4])
	default:
		err = fmt.Errorf("unknown command %q", arguments[0])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(ctx context.Context, mode, url, stream, subject string) error {
	var wanted []map[string]json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&wanted); err != nil {
		return err
	}
	sender, err := nats.NewSender(url, stream, subject, nil, nil)
	if err != nil {
		return err
	}
	defer sender.Close(ctx)
	client, err := cloudevents.NewClient(sender)
	if err != nil {
		return err
	}
	if mode == "structured" {
		ctx = binding.WithForceStructured(ctx)
	} else {
		ctx = binding.WithForceBinary(ctx)
	}
	for _, attributes := range wanted {
		event, err := build(attributes)
		if err != nil {
			return err
		}
		if result := client.Send(ctx, event); cloudevents.IsUndelivered(result) {
			return result
		}
	}
	return nil
}

func build(attributes map[string]json.RawMessage) (cloudevents.Event, error) {
	event := cloudevents.NewEvent()
	for name, raw := range attributes {
		if name == "data" {
			if err := event.SetData(cloudevents.ApplicationJSON, raw); err != nil {
				return event, err
			}
			continue
		}
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			return event, err
		}
		switch name {
		case "id":
			event.SetID(value.(string))
		case "source":
			event.SetSource(value.(string))
		case "type":
			event.SetType(value.(string))
		case "subject":
			event.SetSubject(value.(string))
		case "datacontenttype":
			event.SetDataContentType(value.(string))
		case "dataschema":
			event.SetDataSchema(value.(string))
		case "time":
			moment, err := time.Parse(time.RFC3339Nano, value.(string))
			if err != nil {
				return event, err
			}
			event.SetTime(moment)
		default:
			event.SetExtension(name, value)
		}
	}
	return event, event.Validate()
}

func read(ctx context.Context, url, stream, subject, count string) error {
	left, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	consumer, err := nats.NewConsumer(url, stream, subject, nil, nil, nil)
	if err != nil {
		return err
	}
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	go consumer.OpenInbound(ctx)
	out := json.NewEncoder(os.Stdout)
	for ; left > 0; left-- {
		message, err := consumer.Receive(ctx)
		if err != nil {
			return err
		}
		event, err := binding.ToEvent(ctx, message)
		if err != nil {
			return err
		}
		if err := event.Validate(); err != nil {
			return err
		}
		if err := out.Encode(attributes(event)); err != nil {
			return err
		}
	}
	return nil
}

func attributes(event *cloudevents.Event) map[string]any {
	attributes := map[string]any{
		"specversion":     event.SpecVersion(),
		"id":              event.ID(),
		"source":          event.Source(),
		"type":            event.Type(),
		"datacontenttype": event.DataContentType(),
		"dataschema":      event.DataSchema(),
		"time":            event.Time().Format(time.RFC3339Nano),
		"data":            json.RawMessage(event.Data()),
	}
	if event.Subject() != "" {
		attributes["subject"] = event.Subject()
	}
	for name, value := range event.Extensions() {
		attributes[name] = value
	}
	return attributes
}
