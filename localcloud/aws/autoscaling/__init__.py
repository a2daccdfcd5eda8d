"""Auto Scaling: moto's groups with the life of their instances put in."""
