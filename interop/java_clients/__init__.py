"""Kafka's Java clients: producer, consumer, admin client."""
