"""CloudWatch Logs: moto's, with log groups whose key can be changed."""
