"""Sagas: how intents become true in the world, one file for each noun and verb."""
