"""Plug-ins for engines that serve an operator's own weights; off unless an operator names them.

They run inside the engine, never inside the gateway, and import nothing heavy themselves. None is
registered as an entry point: a class for vLLM's first interface stops a server of the second.
"""
