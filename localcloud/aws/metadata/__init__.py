"""Instance metadata of this cloud's instances, IMDSv2 only."""
