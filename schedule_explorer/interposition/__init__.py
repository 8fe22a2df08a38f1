"""Real APIs that become operations: one module per API."""
