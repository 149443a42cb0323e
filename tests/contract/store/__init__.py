"""The contract of the store, played on every implementation."""
