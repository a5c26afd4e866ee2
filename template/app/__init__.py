"""Your tool."""
