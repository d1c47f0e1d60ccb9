"""The sockets of sharing: TAXII server and client, webhooks, streams of events."""
