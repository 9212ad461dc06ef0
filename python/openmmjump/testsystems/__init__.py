"""Molecules for the demo, tests and benchmarks, made where they are needed."""
