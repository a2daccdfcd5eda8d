"""SQS: moto's, with attributes of queues that stay as they were set."""
