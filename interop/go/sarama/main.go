// A round with sarama: sarama BOOTSTRAP SCENARIO TOPIC. It ends with code 0 when everything was as expected.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/IBM/sarama"
)

const (
	recordCount = 1000
	timeout     = 60 * time.Second
)

var codecs = []sarama.CompressionCodec{
	sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD,
}

func main() {
	bootstrap, scenario, topic := os.Args[1], os.Args[2], os.Args[3]
	scenarios := map[string]func(string, string) error{
		"produce-consume": produceAndConsume, "group": shareAGroup, "admin": administrate,
	}
	if err := scenarios[scenario](bootstrap, topic); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func configuration() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	return config
}

func value(index int) []byte {
	return []byte(fmt.Sprintf("value-%06d-%s", index, bytes.Repeat([]byte("x"), 100)))
}

func produce(bootstrap, topic string, config *sarama.Config) error {
	producer, err := sarama.NewSyncProducer([]string{bootstrap}, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, recordCount)
	for index := range messages {
		header := sarama.RecordHeader{Key: []byte("codec"), Value: []byte(config.Producer.Compression.String())}
		messages[index] = &sarama.ProducerMessage{
			Topic: topic, Key: sarama.StringEncoder("key"), Value: sarama.ByteEncoder(value(index)), Headers: []sarama.RecordHeader{header},
		}
	}
	return producer.SendMessages(messages)
}

// Idempotent production with every compression, then everything is read back in order.
func produceAndConsume(bootstrap, topic string) error {
	for _, codec := range codecs {
		config := configuration()
		config.Producer.Compression = codec
		if err := produce(bootstrap, topic, config); err != nil {
			return err
		}
	}
	consumer, err := sarama.NewConsumer([]string{bootstrap}, configuration())
	if err != nil {
		return err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer partition.Close()
	deadline := time.After(timeout)
	for next := 0; next < recordCount*len(codecs); next++ {
		select {
		case message := <-partition.Messages():
			if message.Offset != int64(next) || !bytes.Equal(message.Value, value(next%recordCount)) || len(message.Headers) != 1 {
				return fmt.Errorf("at offset %d: %d %q", next, message.Offset, message.Value)
			}
		case <-deadline:
			return fmt.Errorf("only %d records after %v", next, timeout)
		}
	}
	return nil
}

type member struct{ received chan *sarama.ConsumerMessage }

func (member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (member) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (m member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			session.MarkMessage(message, "")
			m.received <- message
		case <-session.Context().Done():
			return nil
		}
	}
}

// Two members of one group get all records together, and their commits are there afterwards.
func shareAGroup(bootstrap, topic string) error {
	config := configuration()
	config.Producer.Partitioner = sarama.NewRoundRobinPartitioner
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	received := make(chan *sarama.ConsumerMessage, recordCount)
	var groups []sarama.ConsumerGroup
	for range 2 {
		group, err := sarama.NewConsumerGroup([]string{bootstrap}, "group-"+topic, config)
		if err != nil {
			return err
		}
		groups = append(groups, group)
		go func() {
			for ctx.Err() == nil && !errors.Is(group.Consume(ctx, []string{topic}, member{received}), sarama.ErrClosedConsumerGroup) {
			}
		}()
	}
	if err := produce(bootstrap, topic, config); err != nil {
		return err
	}
	seen := map[string]bool{}
	for len(seen) < recordCount {
		select {
		case message := <-received:
			seen[string(message.Value)] = true
		case <-ctx.Done():
			return fmt.Errorf("only %d records after %v", len(seen), timeout)
		}
	}
	for _, group := range groups {
		if err := group.Close(); err != nil {
			return err
		}
	}
	return expectCommitted(bootstrap, topic, config)
}

func expectCommitted(bootstrap, topic string, config *sarama.Config) error {
	admin, err := sarama.NewClusterAdmin([]string{bootstrap}, config)
	if err != nil {
		return err
	}
	defer admin.Close()
	offsets, err := admin.ListConsumerGroupOffsets("group-"+topic, nil)
	if err != nil {
		return err
	}
	total := int64(0)
	for _, block := range offsets.Blocks[topic] {
		total += max(block.Offset, 0)
	}
	if total != recordCount {
		return fmt.Errorf("%d committed of %d", total, recordCount)
	}
	return nil
}

// The admin client's main operations, from a topic's creation to its deletion.
func administrate(bootstrap, topic string) error {
	config := configuration()
	admin, err := sarama.NewClusterAdmin([]string{bootstrap}, config)
	if err != nil {
		return err
	}
	defer admin.Close()
	retention, changed := "100000", "200000"
	detail := &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &retention}}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"create", func() error { return admin.CreateTopic(topic, detail, false) }},
		{"create again", func() error {
			if err := admin.CreateTopic(topic, detail, false); !errors.Is(err, sarama.ErrTopicAlreadyExists) {
				return fmt.Errorf("expected TOPIC_ALREADY_EXISTS, got %v", err)
			}
			return nil
		}},
		{"produce", func() error { return produce(bootstrap, topic, config) }},
		{"add partitions", func() error { return admin.CreatePartitions(topic, 2, nil, false) }},
		{"describe topics", func() error {
			return expectPartitions(admin, topic, 2)
		}},
		{"list topics", func() error { _, err := admin.ListTopics(); return err }},
		{"alter configuration", func() error {
			entries := map[string]sarama.IncrementalAlterConfigsEntry{
				"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &changed},
			}
			return admin.IncrementalAlterConfig(sarama.TopicResource, topic, entries, false)
		}},
		{"describe configuration", func() error { return expectRetention(admin, topic, changed) }},
		{"describe the cluster", func() error { _, _, err := admin.DescribeCluster(); return err }},
		{"describe log directories", func() error { _, err := admin.DescribeLogDirs([]int32{1}); return err }},
		{"delete records", func() error { return admin.DeleteRecords(topic, map[int32]int64{0: 10}) }},
		{"list groups", func() error { _, err := admin.ListConsumerGroups(); return err }},
		{"delete the topic", func() error { return admin.DeleteTopic(topic) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		fmt.Println(step.what)
	}
	return nil
}

// A broker may hear of its controller's change a moment after the change was answered.
func expectPartitions(admin sarama.ClusterAdmin, topic string, count int) error {
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		found, err := admin.DescribeTopics([]string{topic})
		if err != nil || len(found[0].Partitions) == count {
			return err
		}
	}
	return fmt.Errorf("no %d partitions after %v", count, timeout)
}

func expectRetention(admin sarama.ClusterAdmin, topic, expected string) error {
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"}})
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name == "retention.ms" && entry.Value == expected {
			return nil
		}
	}
	return fmt.Errorf("retention.ms is not %s", expected)
}
