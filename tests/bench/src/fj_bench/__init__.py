"""Benchmarks: every figure that Filmjacket promises, measured against its bar or a peer in the same run."""
