"""What can be asked of a host: each fact is a query and its parser."""
