"""Tool servers that speak the Model Context Protocol, over the official SDK."""
