"""What AWS refuses that its API models do not say: limits in prose, fields that exclude or need each other."""
