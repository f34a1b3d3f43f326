"""What several drivers need beside the contract: a driver imports kit and contract, no more."""
