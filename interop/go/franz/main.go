// A round with franz-go: franz BOOTSTRAP SCENARIO TOPIC. It ends with code 0 when everything was as expected.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	recordCount = 1000
	timeout     = 60 * time.Second
)

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	bootstrap, scenario, topic := os.Args[1], os.Args[2], os.Args[3]
	scenarios := map[string]func(context.Context, string, string) error{
		"produce-consume": produceAndConsume, "group": shareAGroup, "admin": administrate,
	}
	if err := scenarios[scenario](ctx, bootstrap, topic); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func connect(bootstrap string, options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(bootstrap))...)
	if err != nil {
		panic(err)
	}
	return client
}

func value(index int) []byte {
	return []byte(fmt.Sprintf("value-%06d-%s", index, bytes.Repeat([]byte("x"), 100)))
}

// Idempotent production with every compression, then everything is read back in order.
func produceAndConsume(ctx context.Context, bootstrap, topic string) error {
	total := 0
	for name, codec := range codecs {
		producer := connect(bootstrap, kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic(topic))
		for index := 0; index < recordCount; index++ {
			header := kgo.RecordHeader{Key: "codec", Value: []byte(name)}
			record := &kgo.Record{Key: []byte("key"), Value: value(index), Headers: []kgo.RecordHeader{header}}
			producer.Produce(ctx, record, func(_ *kgo.Record, err error) {
				if err != nil {
					panic(err)
				}
			})
		}
		if err := producer.Flush(ctx); err != nil {
			return err
		}
		producer.Close()
		total += recordCount
	}
	start := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}
	consumer := connect(bootstrap, kgo.ConsumePartitions(start))
	defer consumer.Close()
	return readInOrder(ctx, consumer, total)
}

func readInOrder(ctx context.Context, consumer *kgo.Client, total int) error {
	next := int64(0)
	for next < int64(total) {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, record := range fetches.Records() {
			if record.Offset != next || !bytes.Equal(record.Value, value(int(next)%recordCount)) || len(record.Headers) != 1 {
				return fmt.Errorf("at offset %d: %d %q", next, record.Offset, record.Value)
			}
			next++
		}
	}
	return nil
}

// Two members of one group get all records together, commit, and a third goes on behind them.
func shareAGroup(ctx context.Context, bootstrap, topic string) error {
	producer := connect(bootstrap, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	defer producer.Close()
	group := []kgo.Opt{
		kgo.ConsumerGroup("group-" + topic), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.Balancers(kgo.CooperativeStickyBalancer()),
	}
	first, second := connect(bootstrap, group...), connect(bootstrap, group...)
	seen := map[string]int{}
	for index := 0; index < recordCount; index++ {
		if err := producer.ProduceSync(ctx, &kgo.Record{Value: value(index)}).FirstErr(); err != nil {
			return err
		}
	}
	for len(seen) < recordCount {
		for _, member := range []*kgo.Client{first, second} {
			waiting, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			member.PollFetches(waiting).EachRecord(func(record *kgo.Record) { seen[string(record.Value)]++ })
			cancel()
			if err := member.CommitUncommittedOffsets(ctx); err != nil {
				fmt.Fprintln(os.Stderr, "commit during a rebalance:", err)
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%d of %d records after %v", len(seen), recordCount, timeout)
		}
	}
	first.Close()
	second.Close()
	return goOn(ctx, bootstrap, topic, producer, group)
}

func goOn(ctx context.Context, bootstrap, topic string, producer *kgo.Client, group []kgo.Opt) error {
	if err := producer.ProduceSync(ctx, &kgo.Record{Value: []byte("behind")}).FirstErr(); err != nil {
		return err
	}
	third := connect(bootstrap, group...)
	defer third.Close()
	for {
		fetches := third.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, record := range fetches.Records() {
			if string(record.Value) == "behind" {
				return nil
			}
		}
	}
}

// The admin client's main operations, from a topic's creation to its deletion.
func administrate(ctx context.Context, bootstrap, topic string) error {
	client := connect(bootstrap)
	defer client.Close()
	admin := kadm.NewClient(client)
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"create", func() error {
			retention := "100000"
			_, err := admin.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": &retention}, topic)
			return err
		}},
		{"create again", func() error {
			if _, err := admin.CreateTopic(ctx, 2, 1, nil, topic); err != kerr.TopicAlreadyExists {
				return fmt.Errorf("expected TOPIC_ALREADY_EXISTS, got %v", err)
			}
			return nil
		}},
		{"produce", func() error {
			records := []*kgo.Record{{Topic: topic, Value: []byte("a")}, {Topic: topic, Value: []byte("b")}}
			return client.ProduceSync(ctx, records...).FirstErr()
		}},
		{"add partitions", func() error { return errorOf(admin.CreatePartitions(ctx, 1, topic)) }},
		{"list topics", func() error { return expectPartitions(ctx, admin, topic, 3) }},
		{"alter configuration", func() error {
			value := "200000"
			change := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}
			_, err := admin.AlterTopicConfigs(ctx, change, topic)
			return err
		}},
		{"describe configuration", func() error { return expectRetention(ctx, admin, topic, "200000") }},
		{"describe the cluster", func() error {
			brokers, err := admin.ListBrokers(ctx)
			if err == nil && len(brokers) != 1 {
				return fmt.Errorf("%d brokers", len(brokers))
			}
			return err
		}},
		{"describe log directories", func() error { _, err := admin.DescribeAllLogDirs(ctx, nil); return err }},
		{"commit offsets", func() error {
			offsets := kadm.Offsets{}
			offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: 0, LeaderEpoch: -1})
			return admin.CommitAllOffsets(ctx, "group-"+topic, offsets)
		}},
		{"lag", func() error {
			lags, err := admin.Lag(ctx, "group-"+topic)
			if err != nil {
				return err
			}
			return lags.Error()
		}},
		{"delete records", func() error {
			ends, err := admin.ListEndOffsets(ctx, topic)
			if err != nil {
				return err
			}
			_, err = admin.DeleteRecords(ctx, ends.Offsets())
			return err
		}},
		{"list start offsets", func() error { return expectStartsAtEnds(ctx, admin, topic) }},
		{"list groups", func() error { _, err := admin.ListGroups(ctx); return err }},
		{"describe groups", func() error { _, err := admin.DescribeGroups(ctx, "group-"+topic); return err }},
		{"delete the group", func() error { _, err := admin.DeleteGroup(ctx, "group-"+topic); return err }},
		{"delete the topic", func() error { _, err := admin.DeleteTopic(ctx, topic); return err }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		fmt.Println(step.what)
	}
	return nil
}

func errorOf(responses kadm.CreatePartitionsResponses, err error) error {
	if err != nil {
		return err
	}
	return responses.Error()
}

func expectPartitions(ctx context.Context, admin *kadm.Client, topic string, count int) error {
	// A broker may hear of its controller's change a moment after the change was answered.
	for {
		topics, err := admin.ListTopics(ctx, topic)
		if err != nil || len(topics[topic].Partitions) == count {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func expectRetention(ctx context.Context, admin *kadm.Client, topic, expected string) error {
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return err
	}
	for _, config := range configs[0].Configs {
		if config.Key == "retention.ms" && config.MaybeValue() == expected {
			return nil
		}
	}
	return fmt.Errorf("retention.ms is not %s", expected)
}

func expectStartsAtEnds(ctx context.Context, admin *kadm.Client, topic string) error {
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return err
	}
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	for partition, start := range starts[topic] {
		if start.Offset != ends[topic][partition].Offset {
			return fmt.Errorf("partition %d starts at %d, ends at %d", partition, start.Offset, ends[topic][partition].Offset)
		}
	}
	return nil
}
