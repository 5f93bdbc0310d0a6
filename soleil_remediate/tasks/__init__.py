"""What can be repaired."""
