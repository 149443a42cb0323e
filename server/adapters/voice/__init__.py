"""Conversations that are spoken: the rooms of Daily, and the bot that joins them as a process of its own."""
