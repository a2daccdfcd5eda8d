"""CloudWatch: moto's, with figures of the cloud's own time."""
