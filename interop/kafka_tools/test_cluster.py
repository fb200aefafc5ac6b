"""kafka-cluster, kafka-broker-api-versions, kafka-features."""

import re

import pytest

from interop.kafka import Kafka


def test_says_which_cluster_it_is(kafka: Kafka) -> None:
    assert re.fullmatch(r"Cluster ID: [A-Za-z0-9_-]{22}\n", kafka.run("kafka-cluster", "cluster-id").out)


def test_lists_the_brokers(kafka: Kafka) -> None:
    heading, broker = kafka.run("kafka-cluster", "list-endpoints").rows
    assert heading == ["ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE"]
    assert broker == ["1", *kafka.bootstrap.split(":"), "null", "unfenced", "broker"]
    kafka.run("kafka-cluster", "list-endpoints", "--include-fenced-brokers")


@pytest.mark.answers_as_kafka("BrokerIdNotRegisteredException")
def test_unregisters_no_broker_that_is_not_there(kafka: Kafka) -> None:
    refused = kafka.run("kafka-cluster", "unregister", "--id", 99, code=1)
    assert "Broker ID 99 is not currently registered" in refused.text


def test_lists_the_versions_of_every_api(kafka: Kafka) -> None:
    out = kafka.run("kafka-broker-api-versions").out
    assert "Produce(0): 0 to 13 [usable: 13]" in out
    assert "Fetch(1): 4 to 18 [usable: 18]" in out
    assert "DescribeTopicPartitions(75): 0 [usable: 0]" in out
    assert "(id: 1 rack: null isFenced: false)" in out


def test_lists_features(kafka: Kafka) -> None:
    assert kafka.run("kafka-features", "describe").code == 0
