"""Delivery: tickets in SQS, and schedules in EventBridge Scheduler."""
