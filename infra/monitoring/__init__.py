"""Grafana and Prometheus: a dashboard, alert rules, and a compose file that starts both beside mediaq."""
