"""Programs that follow a cloud: each can be run, read in one go, and taken as a beginning."""
