import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * One member of a group: GroupMember BOOTSTRAP GROUP TOPIC ASSIGNOR-CLASS. It prints "assigned 0,1" when what it owns changes and "record VALUE" for each
 * record, commits what it has read, and leaves the group when its stdin ends.
 */
public final class GroupMember {
    public static void main(String[] arguments) throws Exception {
        Properties config = new Properties();
        config.put("bootstrap.servers", arguments[0]);
        config.put("group.id", arguments[1]);
        config.put("group.protocol", "classic");
        config.put("partition.assignment.strategy", arguments[3]);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        Set<TopicPartition> owned = Set.of();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(arguments[2]));
            while (System.in.available() == 0) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(50))) {
                    System.out.println("record " + record.value());
                }
                consumer.commitAsync();
                if (!owned.equals(consumer.assignment())) {
                    owned = Set.copyOf(consumer.assignment());
                    System.out.println("assigned " + owned.stream().map(at -> String.valueOf(at.partition())).sorted().collect(Collectors.joining(",")));
                }
            }
        }
        System.out.println("left");
    }
}
