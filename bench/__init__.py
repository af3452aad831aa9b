"""The benchmarks behind every figure that mediaq quotes."""
