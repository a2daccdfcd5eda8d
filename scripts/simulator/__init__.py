"""Replays load and spot traces against scaling policies: `warmfleet simulate`. Simulated: nothing here calls AWS."""
