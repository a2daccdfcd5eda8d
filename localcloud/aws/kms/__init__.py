"""KMS: moto's, with the period after which a key is rotated."""
