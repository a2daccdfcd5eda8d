"""Images with everything but data and secrets in them: how one is made, which there are, which one new nodes boot."""
