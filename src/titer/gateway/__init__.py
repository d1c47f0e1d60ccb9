"""The only sockets that serve: dialects, the proxy, and feeds of other people's logs."""
