"""The Kappa layer: topics are tables. A Kafka client like any other, with the extra `odradek[kappa]`."""
