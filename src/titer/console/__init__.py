"""Read-only views over evidence."""
