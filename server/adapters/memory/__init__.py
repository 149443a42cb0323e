"""Memories: who places texts among each other, and the indices in which they are found."""
