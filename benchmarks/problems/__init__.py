"""Real search problems."""
