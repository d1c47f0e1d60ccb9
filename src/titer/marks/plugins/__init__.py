"""Planters inside engines that serve an operator's own weights; off unless an operator names them.

They run in the engine's process, never in the gateway, and import what is heavy when they are
first used: engines load them in their front end as well. None is registered as an entry point: a
class of vLLM's first interface stops a server of the second, and the other way about.
"""
