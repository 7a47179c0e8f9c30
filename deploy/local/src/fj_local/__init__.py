"""The local stack: Kafka, PostgreSQL, SeaweedFS, Caddy and the services as child processes."""
