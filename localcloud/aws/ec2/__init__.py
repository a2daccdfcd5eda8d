"""EC2: moto's, with instances that take time to start, addresses of this cloud, and notices to spot instances."""
