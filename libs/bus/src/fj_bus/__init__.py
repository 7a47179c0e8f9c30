"""Consume loop, inbox, outbox, relay, parking, dead letters and replay on Kafka and PostgreSQL."""
