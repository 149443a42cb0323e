"""What voice is tested with: a stand-in for Daily, and bots that do what a test says."""
