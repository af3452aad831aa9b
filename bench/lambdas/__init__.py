"""The benchmarks of Lambda processes: cold starts and secrets."""
