"""What several drivers need beside the contract: a driver imports these two and no other."""
