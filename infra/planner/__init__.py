"""Scaling arithmetic: what to buy now so that enough is warm when a replica bought now would be. Pure, standard
library only.

`plan(observation, state, limits) -> Plan` is called once a minute, on AWS by `handler`, in `warmfleet simulate` by the
simulator. Nothing else here does I/O, reads a clock or draws a number.
"""
