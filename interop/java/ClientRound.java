import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Rounds with the Java clients: ClientRound BOOTSTRAP SCENARIO TOPIC. An exception ends it with another code than 0. */
public final class ClientRound {
    private static final int RECORDS = 1000;
    private static final Duration TIMEOUT = Duration.ofSeconds(30);

    /** A step of a round that may fail. */
    private interface Step {
        void run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, Step> scenarios = Map.of(
            "produce-consume", () -> produceAndConsume(arguments[0], arguments[2]),
            "positions", () -> lookForPositions(arguments[0], arguments[2]),
            "admin", () -> administrate(arguments[0], arguments[2]));
        scenarios.get(arguments[1]).run();
    }

    private static Properties config(String bootstrap, String... more) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < more.length; i += 2) {
            config.put(more[i], more[i + 1]);
        }
        return config;
    }

    private static KafkaProducer<String, String> producer(String bootstrap, String codec) {
        Properties config = config(bootstrap, "acks", "all", "enable.idempotence", "true", "compression.type", codec, "linger.ms", "5");
        return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
    }

    private static KafkaConsumer<String, String> consumer(String bootstrap, String... more) {
        Properties config = config(bootstrap, more);
        config.putIfAbsent("auto.offset.reset", "earliest");
        return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static void produceAndConsume(String bootstrap, String topic) throws Exception {
        List<String> codecs = List.of("none", "gzip", "snappy", "lz4", "zstd");
        long expected = 0;
        for (String codec : codecs) {
            try (KafkaProducer<String, String> producer = producer(bootstrap, codec)) {
                List<Future<RecordMetadata>> sent = IntStream.range(0, RECORDS).mapToObj(i -> producer.send(record(topic, codec, i))).toList();
                for (Future<RecordMetadata> one : sent) {
                    check(one.get().offset() == expected++, "offsets follow each other");
                }
            }
        }
        try (KafkaConsumer<String, String> consumer = consumer(bootstrap, "isolation.level", "read_committed", "check.crcs", "true")) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            for (long next = 0; next < expected; ) {
                for (ConsumerRecord<String, String> record : consumer.poll(TIMEOUT)) {
                    String codec = codecs.get((int) (next / RECORDS));
                    ProducerRecord<String, String> written = record(topic, codec, (int) (next % RECORDS));
                    check(record.offset() == next, "at offset " + next + " came " + record.offset());
                    check(record.value().equals(written.value()) && record.key().equals(written.key()), "another record at " + next);
                    check(record.headers().equals(written.headers()), "other headers at " + next);
                    next++;
                }
            }
        }
    }

    private static ProducerRecord<String, String> record(String topic, String codec, int index) {
        RecordHeader text = new RecordHeader("codec", codec.getBytes(StandardCharsets.UTF_8));
        RecordHeader nothing = new RecordHeader("nothing", (byte[]) null);
        return new ProducerRecord<>(topic, 0, "key-" + index, "value-" + index + "x".repeat(100), List.of(text, nothing));
    }

    private static void lookForPositions(String bootstrap, String topic) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        long now = System.currentTimeMillis();
        try (KafkaProducer<String, String> producer = producer(bootstrap, "none")) {
            for (int i = 0; i < 10; i++) {
                producer.send(new ProducerRecord<>(topic, 0, now + i * 1000, null, "value-" + i)).get();
            }
        }
        try (KafkaConsumer<String, String> consumer = consumer(bootstrap, "group.id", "positions-" + topic, "enable.auto.commit", "false")) {
            consumer.assign(List.of(partition));
            check(consumer.beginningOffsets(List.of(partition)).get(partition) == 0, "begins at 0");
            check(consumer.endOffsets(List.of(partition)).get(partition) == 10, "ends at 10");
            check(consumer.offsetsForTimes(Map.of(partition, now + 2500)).get(partition).offset() == 3, "the first record not before");
            check(consumer.offsetsForTimes(Map.of(partition, now + 100_000)).get(partition) == null, "none so late");
            consumer.seek(partition, 7);
            check(consumer.poll(TIMEOUT).iterator().next().offset() == 7, "reads from where it was told");
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(8, "with metadata")));
            check(consumer.committed(Set.of(partition)).get(partition).metadata().equals("with metadata"), "metadata is kept");
            consumer.seekToEnd(List.of(partition));
            check(consumer.position(partition) == 10, "the end");
            check(consumer.currentLag(partition).orElse(0) == 0, "no lag at the end");
            check(consumer.listTopics().containsKey(topic), "listed");
        }
    }

    private static void administrate(String bootstrap, String topic) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        String group = "positions-" + topic;
        try (Admin admin = Admin.create(config(bootstrap))) {
            NewTopic created = new NewTopic(topic, 1, (short) 1).configs(Map.of("retention.ms", "100000"));
            admin.createTopics(List.of(created)).all().get();
            fails(TopicExistsException.class, () -> admin.createTopics(List.of(created)).all().get());
            lookForPositions(bootstrap, topic);
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get();
            check(admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size() == 3, "three partitions");
            AlterConfigOp change = new AlterConfigOp(new ConfigEntry("retention.ms", "200000"), AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(resource, List.<AlterConfigOp>of(change))).all().get();
            check(admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms").value().equals("200000"), "changed");
            check(admin.listOffsets(Map.of(partition, OffsetSpec.latest())).partitionResult(partition).get().offset() == 10, "ends at 10");
            check(admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).partitionResult(partition).get().offset() == 9, "newest");
            check(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(5))).lowWatermarks().get(partition).get().lowWatermark() == 5, "cut");
            check(admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).partitionResult(partition).get().offset() == 5, "starts at 5");
            check(admin.describeProducers(List.of(partition)).all().get().get(partition).activeProducers().size() == 1, "one producer");
            check(admin.describeCluster().nodes().get().size() == 1, "one broker");
            check(admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).size() == 1, "one directory");
            administrateGroup(admin, group, partition);
            admin.deleteTopics(List.of(topic)).all().get();
            fails(UnknownTopicOrPartitionException.class, () -> admin.describeTopics(List.of(topic)).allTopicNames().get());
        }
    }

    private static void administrateGroup(Admin admin, String group, TopicPartition partition) throws Exception {
        check(admin.listGroups().all().get().stream().anyMatch(listed -> listed.groupId().equals(group)), "the group is listed");
        check(committed(admin, group).get(partition).offset() == 8, "8 is committed");
        admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(6))).all().get();
        check(committed(admin, group).get(partition).offset() == 6, "6 is committed");
        Collection<?> members = admin.describeConsumerGroups(List.of(group)).all().get().get(group).members();
        check(members.isEmpty(), "no members");
        admin.deleteConsumerGroupOffsets(group, Set.of(partition)).all().get();
        check(committed(admin, group).get(partition) == null, "nothing is committed");
    }

    private static Map<TopicPartition, OffsetAndMetadata> committed(Admin admin, String group) throws Exception {
        return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
    }

    private static void fails(Class<? extends Exception> expected, Step step) throws Exception {
        try {
            step.run();
        } catch (ExecutionException failed) {
            check(expected.isInstance(failed.getCause()), "expected " + expected + ", got " + failed.getCause());
            return;
        }
        throw new AssertionError("did not fail with " + expected);
    }
}
