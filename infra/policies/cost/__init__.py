"""What a stack may cost at most, held against its limit before anything is bought."""
