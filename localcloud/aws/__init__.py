"""AWS as far as Warmfleet needs it: moto's server in a process of its own, with what moto lacks put in."""
