"""Searches on real tables, every rival in the same harness."""
