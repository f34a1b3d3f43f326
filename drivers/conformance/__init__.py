"""The driver contract, executable: properties that every driver keeps, with no test framework."""
