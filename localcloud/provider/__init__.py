"""A stand-in for Pulumi's `aws` provider that talks to the local AWS only.

What it does not know it refuses by name: a resource type, a property, an invoke. It never guesses.
"""
