"""S3: moto's, which believes checksums, reads whole objects for each range, and forgets some of what it was sent."""
