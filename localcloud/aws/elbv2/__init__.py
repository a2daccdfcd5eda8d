"""Elastic Load Balancing: moto's, with addresses of this cloud and the health that its load balancers really see."""
