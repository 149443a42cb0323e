"""The four documented APIs beside each other, over one store."""
