"""Settings, logs without PHI, telemetry, health, graceful stop, the acting user."""
