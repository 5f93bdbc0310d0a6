"""What can be shown to people as evidence."""
