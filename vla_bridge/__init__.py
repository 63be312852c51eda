"""The generalist, wherever it runs: a ZeroMQ client without torch, a policy server and its backends."""
