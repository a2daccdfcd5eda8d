"""The gateway: one OpenAI-shaped door to every warm node of an environment."""
