"""The engine: claims runs and executes them. It survives the failure of any single run."""
