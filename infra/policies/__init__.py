"""What AWS would refuse, said before anything is made. Pure, but for reading botocore's API models."""
