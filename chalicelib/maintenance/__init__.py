"""What runs every minute or on demand: maintenance tasks, gauges, alarms, metrics, health checks."""
