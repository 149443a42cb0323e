"""How requests to webhooks are made."""
