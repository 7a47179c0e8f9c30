"""The shared vocabulary: every fact, its envelope, topic, schema and examples."""
