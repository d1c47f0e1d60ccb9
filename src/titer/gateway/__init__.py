"""The only sockets: dialects, the proxy, and feeds of other people's logs."""
