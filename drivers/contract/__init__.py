"""The promises between the engine and every driver. A driver imports this folder and no other."""
