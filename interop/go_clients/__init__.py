"""Clients written in Go: franz-go and sarama."""
